package store

import (
	"encoding/hex"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// TestFilesAreJavas compares queue units, index and checkpoint with bytes that
// Apache RocketMQ 5.5.0 wrote.
func TestFilesAreJavas(t *testing.T) {
	require.EqualValues(t, 2598919, TagsCode("TagA"))
	require.EqualValues(t, 646394, TagsCode("中文"))
	require.EqualValues(t, 0x64, TagsCode("d"))
	require.EqualValues(t, 0x227509a0, index.Hash("N1", "FD00000000000000000000000000000258FA30946E0966ED65D80000"))

	c := small(vfs.NewMem())
	var now atomic.Int64
	now.Store(1795218034203)
	c.Now = func() time.Time { return time.UnixMilli(now.Load()) }
	s := open(t, c)
	first := put(t, s, msg("N1", 0, "hello store", "TAGS", "TagA", "KEYS", "k1 k2", "UNIQ_KEY", "FD00000000000000000000000000000258FA30946E0966ED65D80000"))
	now.Add(57)
	delayed := put(t, s, msg(ScheduleTopic, 2, "later", message.PropDelay, "3"))
	closeStore(t, s)

	bytesOf := func(path string, from, n int) string {
		b, err := vfs.ReadFile(c.FS, path)
		require.NoError(t, err)
		return hex.EncodeToString(b[from : from+n])
	}
	size := delayed.PhysicalOffset
	require.Zero(t, first.PhysicalOffset)
	require.Equal(t, "0000000000000000"+hex4(size)+"000000000027a807", bytesOf("/store/consumequeue/N1/0/00000000000000000000", 0, 20))
	require.Equal(t, hex8(size)+hex4(s.LogMax()-size)+"000001a1fb557564", bytesOf("/store/consumequeue/SCHEDULE_TOPIC_XXXX/2/00000000000000000000", 0, 20),
		"due 10 s after it was stored")

	infos, err := c.FS.ReadDir("/store/index")
	require.NoError(t, err)
	require.Len(t, infos, 1)
	require.Len(t, infos[0].Name, 17)
	file := "/store/index/" + infos[0].Name
	// begin and end time, begin and end offset, used slots, entries + 1
	require.Equal(t, "000001a1fb554e1b000001a1fb554e1b00000000000000000000000000000000", bytesOf(file, 0, 32))
	require.Equal(t, "00000005", bytesOf(file, 36, 4), "UNIQ_KEY, two keys, the tags")
	require.Equal(t, "227509a0000000000000000000000000"+"00000000", bytesOf(file, 40+4*50+20, 20))

	// The last record's store time twice, and for the index; its offset.
	last := hex8(now.Load())
	require.Equal(t, last+last+last+hex8(0)+hex8(0)+hex8(size), bytesOf("/store/checkpoint", 0, 48))
	require.Equal(t, "6c6f636b", bytesOf("/store/lock", 0, 4))
}

func hex4(n int64) string { return hex8(n)[8:] }

func hex8(n int64) string {
	b := Checkpoint{LogTime: n}.append(nil)
	return hex.EncodeToString(b[:8])
}
