package store

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/vfs"
)

const logFile = "/store/commitlog/00000000000000000000"

// filled makes a store of n messages in one file and one queue, with a
// checkpoint after the first few, and returns where they are.
func filled(t *testing.T, n, checkpointAt int, clean bool) (c Config, mem *vfs.Mem, at []int64) {
	mem = vfs.NewMem()
	c = small(mem)
	c.CommitLogFileSize = 1 << 16
	s := open(t, c)
	for i := range n {
		at = append(at, put(t, s, msg("T", 0, fmt.Sprintf("body %d ", i)+string(make([]byte, 200)), "TAGS", "A")).PhysicalOffset)
		if i == checkpointAt {
			require.NoError(t, s.Checkpoint())
		}
	}
	if clean {
		closeStore(t, s)
	} else {
		require.NoError(t, s.FlushLog())
		require.NoError(t, s.queues.Flush(context.Background(), s.LogMax()))
		kill(t, s)
	}
	return c, mem, at
}

func overwrite(t *testing.T, fs vfs.FS, path string, at int64, b []byte) {
	t.Helper()
	f, err := fs.Open(path)
	require.NoError(t, err)
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func refused(t *testing.T, c Config, at int64, reason string) {
	t.Helper()
	_, err := Open(context.Background(), c)
	var fe *FileError
	require.ErrorAs(t, err, &fe)
	require.Equal(t, logFile, fe.Path)
	require.ErrorContains(t, err, fmt.Sprintf("damaged at byte %d (offset %d of the log)", at, at))
	require.ErrorContains(t, err, reason)
	require.ErrorContains(t, err, "--repair")
}

func TestDamageBeforeGoodRecordsIsRefused(t *testing.T) {
	for _, bad := range []struct {
		at     int64 // in the record
		with   string
		reason string
	}{
		{4, "MAGI", "magic 0x4d414749, expected 0xdaa320a7"},
		{0, "\x7f\xff\xff\xff", "size 2147483647, expected 91 to"},
		{30, "\x01", "record says it is at"},
		{90, "x", "body checksum"},
	} {
		c, mem, at := filled(t, 40, 5, false)
		overwrite(t, mem, logFile, at[20]+bad.at, []byte(bad.with))
		refused(t, c, at[20], bad.reason)
	}
}

func TestDamageOfACleanlyClosedStoreIsRefused(t *testing.T) {
	c, mem, at := filled(t, 10, -1, true)
	overwrite(t, mem, logFile, at[9]+90, []byte("xx"))
	refused(t, c, at[9], "the checkpoint says that records up to")
	require.NoError(t, mem.Remove("/store/checkpoint"))
	refused(t, c, at[9], "consume queues have entries")
}

func TestDamageBelowTheCheckpointIsRefusedAfterACrash(t *testing.T) {
	c, mem, at := filled(t, 10, 9, false)
	overwrite(t, mem, logFile, at[9], make([]byte, 4096))
	refused(t, c, at[9], "the checkpoint says that records up to")
}

func TestTornTailStarts(t *testing.T) {
	c, mem, at := filled(t, 40, 5, false)
	overwrite(t, mem, logFile, at[39]+100, []byte("torn"))
	s := open(t, c)
	require.Len(t, bodies(t, s, "T", 0), 39)
	closeStore(t, s)
}

func TestLostSectorOfANewRecordStarts(t *testing.T) {
	c, mem, at := filled(t, 40, 5, false)
	start := at[30] - at[30]%512 + 512
	overwrite(t, mem, logFile, start, make([]byte, 512))
	s := open(t, c)
	require.GreaterOrEqual(t, len(bodies(t, s, "T", 0)), 29)
	closeStore(t, s)
}

// TestFillersKeepTheNumbering closes damage with a filler as a repair does, with
// and without the queue's own entries: what is behind stays readable at its offsets.
func TestFillersKeepTheNumbering(t *testing.T) {
	for _, queues := range []bool{true, false} {
		c, mem, at := filled(t, 40, 5, false)
		filler, err := message.AppendFiller(nil, int(at[23]-at[20]), at[20], time.Now().UnixMilli(), message.Options{})
		require.NoError(t, err)
		overwrite(t, mem, logFile, at[20], filler)
		if !queues {
			require.NoError(t, mem.RemoveAll("/store/consumequeue"))
		}
		for range 2 {
			s := open(t, c)
			var got []int64
			for off := int64(0); off < s.MaxOffset("T", 0); {
				r, data := s.Get(GetRequest{Topic: "T", Offset: off, MaxMsgs: 1}, nil)
				require.Greater(t, r.NextOffset, off)
				if r.Count > 0 {
					m, err := message.Verify(data, message.Options{})
					require.NoError(t, err)
					require.GreaterOrEqual(t, m.QueueOffset, off)
					require.Contains(t, string(m.Body), "body "+strconv.Itoa(int(m.QueueOffset))+" ")
					got = append(got, m.QueueOffset)
				}
				off = r.NextOffset
			}
			require.Len(t, got, 37)
			require.NotContains(t, got, int64(21))
			require.EqualValues(t, 40, s.MaxOffset("T", 0))
			require.Equal(t, int64(40), s.OffsetByTime("T", 0, 1<<60, false))
			require.Equal(t, int64(0), s.OffsetByTime("T", 0, 1, false))
			kill(t, s)
		}
	}
}

func TestNextFindsRecordsOfTheirOffsetOnly(t *testing.T) {
	c, mem, at := filled(t, 3, -1, true)
	l, err := commitlog.OpenRead(mem, "/store/commitlog", c.CommitLogFileSize, []int64{0})
	require.NoError(t, err)
	f, ok, err := l.Next(1, 1<<16, 0, message.Options{})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, at[1], f.Offset)
	_, ok, err = l.Next(1, 1<<16, f.StoreTime+1<<40, message.Options{})
	require.NoError(t, err)
	require.False(t, ok, "older than what came before")
	_, ok, err = l.Next(at[2]+1, 1<<16, 0, message.Options{})
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, l.Close())
}

// TestRecordsWithoutPropertiesAreNotTorn puts the two zero bytes with which such
// a record ends at every place in a sector.
func TestRecordsWithoutPropertiesAreNotTorn(t *testing.T) {
	mem := vfs.NewMem()
	c := small(mem)
	c.CommitLogFileSize = 1 << 19
	s := open(t, c)
	for range 600 {
		put(t, s, msg("T", 0, string(make([]byte, 700-92+1)))) // one byte more than a multiple of the step
	}
	require.NoError(t, s.FlushLog())
	kill(t, s)
	s = open(t, c)
	require.EqualValues(t, 600, s.MaxOffset("T", 0))
	closeStore(t, s)
}
