package inspect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// flip is one damaged byte.
type flip struct {
	path string
	at   int64
}

// dataFiles lists the files of the parts of a store.
func dataFiles(t *testing.T, fs vfs.FS, dirs ...string) (paths []string) {
	for _, d := range dirs {
		infos, err := fs.ReadDir(filepath.Join(dir, d))
		require.NoError(t, err)
		for _, info := range infos {
			paths = append(paths, filepath.Join(dir, d, info.Name))
		}
	}
	return paths
}

func flipByte(t *testing.T, fs vfs.FS, r *rand.Rand, paths []string) flip {
	path := paths[r.IntN(len(paths))]
	f, err := fs.Open(path)
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	at := r.Int64N(size)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{b[0] ^ byte(1+r.IntN(255))}, at)
	require.NoError(t, err)
	return flip{path, at}
}

// phy is where in the log a flip is, -1 when it is not in the log.
func (f flip) phy() int64 {
	if filepath.Base(filepath.Dir(f.path)) != "commitlog" {
		return -1
	}
	var start int64
	if _, err := fmt.Sscanf(filepath.Base(f.path), "%d", &start); err != nil {
		return -1
	}
	return start + f.at
}

// TestRandomDamageIsFound flips a byte anywhere: a check finds it, unless no one
// ever reads it.
func TestRandomDamageIsFound(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			mem := vfs.NewMem()
			c := storeConfig(mem)
			c.AppendCRC = true
			s := open(t, c)
			list := fill(t, s, 120)
			closeStore(t, s)
			f := flipByte(t, mem, r, dataFiles(t, mem, "commitlog", "consumequeue/T/0", "consumequeue/U/0", "index"))
			if report := check(t, config(mem)); report.Sound() {
				require.True(t, unread(f, list), "%s at %d is not found", f.path, f.at)
			}
		})
	}
}

// unread tells whether a byte is one that no broker reads: behind the last
// record of a file, behind the last unit or entry, or the checksum's own name.
func unread(f flip, list []sent) bool {
	switch phy := f.phy(); {
	case phy >= 0:
		for i, m := range list {
			end := m.phy + m.size
			if i+1 == len(list) || list[i+1].phy/8192 != m.phy/8192 { // the last of its file: size is that of all the rest
				end = m.phy + 300
			}
			if phy >= m.phy && phy < end-20 && end == m.phy+m.size {
				return false
			}
		}
		return true
	case strings.Contains(f.path, "consumequeue"):
		units := int64(0)
		for _, m := range list {
			if strings.Contains(f.path, "/"+m.topic+"/"+itoa(int64(m.queue))+"/") {
				units++
			}
		}
		var start int64
		fmt.Sscanf(filepath.Base(f.path), "%d", &start)
		return start+f.at >= units*20
	default: // the index: entry 0, and the time of a later file's first entry
		return f.at >= 40+200 && f.at < 40+200+20 || f.at >= 40+200+20+12 && f.at < 40+200+20+16 || f.at >= 40+200+20*81
	}
}

// TestRandomDamageIsMended flips bytes and zeroes stretches anywhere, mends the
// store, and wants every message that was not itself hit.
func TestRandomDamageIsMended(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 8))
			c, mem, list := newStore(t, 60+r.IntN(150), r.IntN(2) == 0)
			var hits []int64
			for range 1 + r.IntN(4) {
				paths := dataFiles(t, mem, "commitlog", "consumequeue/T/0", "consumequeue/T/1", "consumequeue/U/0", "index")
				f := flipByte(t, mem, r, append(paths, "/store/checkpoint"))
				if phy := f.phy(); phy >= 0 {
					hits = append(hits, phy)
				}
			}
			if r.IntN(3) == 0 {
				paths := dataFiles(t, mem, "commitlog")
				from := r.Int64N(int64(len(paths))*8192 - 3000)
				n := 1 + r.Int64N(min(2000, 8192-from%8192))
				overwrite(t, mem, paths[from/8192], from%8192, make([]byte, n))
				for at := from; at < from+n; at++ {
					hits = append(hits, at)
				}
			}
			lost := func(m sent) bool {
				for _, at := range hits {
					if at >= m.phy && at < m.phy+m.size {
						return true
					}
				}
				return false
			}
			out, err := Repair(context.Background(), c)
			require.NoError(t, err)
			if out != nil {
				t.Log(hits[:min(8, len(hits))], out.Done, out.Left)
			}
			s, err := store.Open(context.Background(), c)
			require.NoError(t, err)
			closeStore(t, s)
			wantAll(t, c, list, lost, false)
		})
	}
}

// FuzzCheck looks into a store one file of which has any content.
func FuzzCheck(f *testing.F) {
	files := []string{
		"commitlog/00000000000000000000", "commitlog/00000000000000008192", "consumequeue/T/0/00000000000000000000", "checkpoint",
		"index/20260101000000000", "batchconsumequeue/B/0/00000000000000000000", "timerlog/00000000000000000000", "timerwheel",
		"config/timercheck", "config/topics.json", "config/consumerOffset.json", "commitlog/7",
	}
	for i := range files {
		f.Add(uint8(i), uint16(i*20), []byte("\x00\x00\x00\x34\xda\xa3\x20\xa7\x7f\xff\xff\xff{0:1}"))
	}
	f.Fuzz(func(t *testing.T, file uint8, at uint16, content []byte) {
		mem := vfs.NewMem()
		c := storeConfig(mem)
		s := open(t, c)
		fill(t, s, 80)
		closeStore(t, s)
		path := filepath.Join(dir, files[int(file)%len(files)])
		require.NoError(t, mem.MkdirAll(filepath.Dir(path)))
		x, err := mem.Create(path)
		require.NoError(t, err)
		_, err = x.WriteAt(content, int64(at))
		require.NoError(t, err)
		d, err := Open(config(mem))
		if err != nil {
			return
		}
		_, err = d.Check(context.Background())
		require.NoError(t, err)
		require.NoError(t, d.Queues(context.Background(), func(QueueInfo) error { return nil }))
		require.NoError(t, d.LogFiles(context.Background(), func(LogFileInfo) error { return nil }))
		for _, topic := range []string{"", "T", "B"} {
			_, _ = d.Messages(context.Background(), Query{Topic: topic, Queue: -1}, func([]byte) error { return nil })
		}
		require.NoError(t, d.Close())
		if _, err := Repair(context.Background(), c); err == nil {
			if s, err := store.Open(context.Background(), c); err == nil {
				closeStore(t, s)
			}
		}
	})
}
