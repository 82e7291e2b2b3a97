package inspect

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "/store"

// storeConfig is a store whose files fill quickly.
func storeConfig(fs vfs.FS) store.Config {
	c := store.DefaultConfig(dir)
	c.FS, c.Logger = fs, slog.New(slog.DiscardHandler)
	c.CommitLogFileSize, c.QueueFileSize, c.IndexSlots, c.IndexEntries = 8192, 400, 50, 200
	c.FlushInterval, c.QueueInterval, c.CheckpointInterval = time.Hour, time.Hour, time.Hour
	return c
}

func config(fs vfs.FS) Config { return Config{FS: fs, Dir: dir} }

func open(t testing.TB, c store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), c)
	require.NoError(t, err)
	return s
}

func closeStore(t testing.TB, s *store.Store) {
	t.Helper()
	require.NoError(t, s.Close(context.Background()))
}

// sent is a message that a test store has.
type sent struct {
	topic       string
	queue       int32
	offset, phy int64
	size        int64
	body        string
}

// fill puts n messages into two queues of topic T and one of U, and some into
// the schedule topic.
func fill(t testing.TB, s *store.Store, n int) []sent {
	t.Helper()
	var list []sent
	for i := range n {
		m := &message.Message{
			Topic: []string{"T", "T", "U", store.ScheduleTopic}[i%4], QueueID: int32(i % 2), Body: fmt.Appendf(nil, "body %d", i),
			BornHost: netip.MustParseAddrPort("127.0.0.1:1"), BornTimestamp: 1,
		}
		for k, v := range map[string]string{message.PropTags: "A", message.PropKeys: fmt.Sprintf("k%d all", i), message.PropUniqKey: fmt.Sprintf("ID%d", i)} {
			m.Properties = message.WithProperty(m.Properties, k, v)
		}
		if m.Topic == store.ScheduleTopic {
			m.Properties = message.WithProperty(m.Properties, message.PropDelay, "2")
		}
		r := s.Put(context.Background(), m)
		require.NoError(t, r.Err)
		list = append(list, sent{topic: m.Topic, queue: m.QueueID, offset: r.QueueOffset, phy: r.PhysicalOffset, body: string(m.Body)})
	}
	s.IndexLast() // waits for the index, which writes to a mapping that vfs.Mem reads without a lock
	end := s.LogMax()
	for i := len(list) - 1; i >= 0; i-- {
		next := end
		if i < len(list)-1 {
			next = list[i+1].phy
		}
		list[i].size = min(next, list[i].phy-list[i].phy%8192+8192) - list[i].phy
	}
	return list
}

func check(t testing.TB, c Config) *Report {
	t.Helper()
	d, err := Open(c)
	require.NoError(t, err)
	r, err := d.Check(context.Background())
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return r
}

func overwrite(t testing.TB, fs vfs.FS, path string, at int64, b []byte) {
	t.Helper()
	f, err := fs.Open(path)
	require.NoError(t, err)
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func resize(t testing.TB, fs vfs.FS, path string, size int64) {
	t.Helper()
	f, err := fs.Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
}
