package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
)

// writeStore makes a small, cleanly closed store with 20 messages of topic T and
// one of topic U.
func writeStore(dir string) error {
	c := store.DefaultConfig(dir)
	c.Logger = slog.New(slog.DiscardHandler)
	c.CommitLogFileSize, c.QueueFileSize, c.IndexSlots, c.IndexEntries = 1<<16, 400, 100, 400
	ctx := context.Background()
	s, err := store.Open(ctx, c)
	if err != nil {
		return err
	}
	for i := range 21 {
		m := &message.Message{
			Topic: "T", QueueID: int32(i % 2), Body: fmt.Appendf(nil, "body %d", i),
			BornHost: netip.MustParseAddrPort("127.0.0.1:1"), BornTimestamp: 1,
		}
		if i == 20 {
			m.Topic, m.QueueID, m.Body = "U", 0, []byte{0xff, 0xfe}
		}
		m.Properties = message.WithProperty("", message.PropKeys, fmt.Sprintf("k%d", i))
		if r := s.Put(ctx, m); r.Err != nil {
			return r.Err
		}
	}
	return s.Close(ctx)
}

// TestRepairFlag damages the store of a server: it is refused, shown by check,
// and with --repair everything else is served.
func TestRepairFlag(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	args := append([]string{"server", "--data", dir}, anyPorts...)
	cmd, ready := start(t, args...)
	send := aerobee(t, "send", "T", "-n", ready["namesrv"])
	send.Stdin = strings.NewReader("one\ntwo\nthree\n")
	require.NoError(t, send.Run())
	stop(t, cmd)

	log := filepath.Join(dir, "commitlog", "00000000000000000000")
	f, err := os.OpenFile(log, os.O_RDWR, 0)
	require.NoError(t, err)
	head := make([]byte, 4096)
	_, err = f.ReadAt(head, 0)
	require.NoError(t, err)
	at := strings.Index(string(head), "three")
	require.Positive(t, at)
	_, err = f.WriteAt([]byte("THREE"), int64(at))
	require.NoError(t, err)
	require.NoError(t, f.Close())

	code, stderr := exit(t, args...)
	require.Equal(t, exitStore, code)
	require.Regexp(t, `00000000000000000000: damaged at byte \d+ .*body checksum .*--repair`, stderr)
	code, stderr = exit(t, "store", "check", dir)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "problems")

	topics := filepath.Join(dir, "config", "topics.json")
	for _, path := range []string{topics, topics + ".bak"} {
		require.NoError(t, os.WriteFile(path, []byte(`{"topicConfigTable":{`), 0o644))
	}
	cmd, ready = start(t, append(args, "--repair")...)
	out, err := aerobee(t, "tail", "T", "-n", ready["namesrv"], "--from", "begin", "--count", "2").Output()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"one", "two"}, strings.Fields(string(out)))
	stop(t, cmd)
	code, stderr = exit(t, "store", "check", dir)
	require.Zero(t, code, stderr)
	reports, err := filepath.Glob(filepath.Join(dir, "repair-*", "report.txt"))
	require.NoError(t, err)
	require.Len(t, reports, 1)
}

// TestUnreadableTopicsAreRefused says which file cannot be read, and where.
func TestUnreadableTopicsAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "config"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config", "topics.json"), []byte(`{"topicConfigTable":[}`), 0o644))
	code, stderr := exit(t, append([]string{"server", "--data", dir}, anyPorts...)...)
	require.Equal(t, exitStore, code)
	require.Regexp(t, `topics.json: json: byte 20.*--repair`, stderr)
}
