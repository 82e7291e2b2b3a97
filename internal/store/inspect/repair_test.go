package inspect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// readAll reads a queue as a consumer does: what is there by queue offset.
func readAll(t testing.TB, s *store.Store, topic string, queue int32) map[int64]string {
	t.Helper()
	got := make(map[int64]string)
	for off := s.MinOffset(topic, queue); off < s.MaxOffset(topic, queue); {
		r, data := s.Get(store.GetRequest{Topic: topic, QueueID: queue, Offset: off, MaxMsgs: 32}, nil)
		require.Greater(t, r.NextOffset, off)
		for len(data) > 0 {
			m, err := message.Verify(data, message.Options{})
			require.NoError(t, err)
			require.Equal(t, topic, m.Topic)
			require.Equal(t, queue, m.QueueID)
			got[m.QueueOffset] = string(m.Body)
			n, _, _ := message.Size(data)
			data = data[n:]
		}
		off = r.NextOffset
	}
	return got
}

// mended repairs a store, opens it, and wants every message but the lost ones,
// found in its queue and by its key. It puts one more into each queue.
func mended(t testing.TB, c store.Config, list []sent, lost func(sent) bool) *Repaired {
	t.Helper()
	out, err := Repair(context.Background(), c)
	require.NoError(t, err)
	if out != nil {
		require.Empty(t, out.Left)
	}
	wantAll(t, c, list, lost, true)
	r := check(t, config(c.FS))
	require.Empty(t, r.Problems)
	again, err := Repair(context.Background(), c)
	require.NoError(t, err)
	require.Nil(t, again, "nothing is left to mend")
	return out
}

// wantAll wants every message but the lost ones and, if exact, the same numbering.
func wantAll(t testing.TB, c store.Config, list []sent, lost func(sent) bool, exact bool) {
	t.Helper()
	s := open(t, c)
	read := make(map[string]map[int64]string)
	next := make(map[string]int64)
	for i, m := range list {
		name := fmt.Sprint(m.topic, m.queue)
		if read[name] == nil {
			read[name] = readAll(t, s, m.topic, m.queue)
		}
		next[name] = m.offset + 1
		if lost(m) {
			continue
		}
		require.Equal(t, m.body, read[name][m.offset], "%s offset %d at %d", name, m.offset, m.phy)
		require.Contains(t, s.QueryIndex(m.topic, fmt.Sprintf("k%d", i), 64, 0, 1<<60), m.phy)
	}
	for _, m := range list[len(list)-8:] {
		name := fmt.Sprint(m.topic, m.queue)
		require.LessOrEqual(t, s.MaxOffset(m.topic, m.queue), next[name])
		if exact {
			require.Equal(t, next[name], s.MaxOffset(m.topic, m.queue), "queues keep their numbering")
		}
	}
	closeStore(t, s)
}

func none(sent) bool { return false }

// damaged tells whether a message lies in a stretch of the log.
func damaged(from, to int64) func(sent) bool {
	return func(m sent) bool { return m.phy < to && m.phy+m.size > from }
}

func newStore(t testing.TB, n int, clean bool) (store.Config, *vfs.Mem, []sent) {
	mem := vfs.NewMem()
	c := storeConfig(mem)
	s := open(t, c)
	list := fill(t, s, n)
	require.NoError(t, s.Checkpoint())
	if clean {
		closeStore(t, s)
	} else { // a copy of the open store is a crashed one
		mem = mem.Crash(rand.New(rand.NewPCG(1, 1)))
		closeStore(t, s)
		c = storeConfig(mem)
	}
	return c, mem, list
}

func TestRepairMends(t *testing.T) {
	const log1 = "/store/commitlog/00000000000000008192"
	for _, clean := range []bool{true, false} {
		for _, bad := range []struct {
			name   string
			damage func(t *testing.T, fs vfs.FS, list []sent) (lost func(sent) bool)
		}{
			{"one record", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				overwrite(t, fs, "/store/commitlog/00000000000000000000", list[5].phy+90, []byte("x"))
				return damaged(list[5].phy, list[6].phy)
			}},
			{"a page", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				overwrite(t, fs, log1, 1000, make([]byte, 4096))
				return damaged(8192+1000, 8192+1000+4096)
			}},
			{"across the end of a file", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				overwrite(t, fs, log1, 7000, make([]byte, 1192))
				overwrite(t, fs, "/store/commitlog/00000000000000016384", 0, make([]byte, 700))
				return damaged(8192+7000, 16384+700)
			}},
			{"a file is missing", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				require.NoError(t, fs.Remove(log1))
				return damaged(8192, 16384)
			}},
			{"a file is short", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				resize(t, fs, log1, 3000)
				return damaged(8192+3000, 16384)
			}},
			{"a foreign file", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				_, err := fs.Create("/store/commitlog/notes.txt")
				require.NoError(t, err)
				return none
			}},
			{"a file from far away", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				_, err := fs.Create("/store/commitlog/00000000100000006144")
				require.NoError(t, err)
				resize(t, fs, "/store/commitlog/00000000100000006144", 8192)
				return none
			}},
			{"the last record", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				last := list[len(list)-1]
				overwrite(t, fs, fmt.Sprintf("/store/commitlog/%020d", last.phy-last.phy%8192), last.phy%8192+90, []byte("x"))
				return damaged(last.phy, last.phy+1)
			}},
			{"queue entries", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				overwrite(t, fs, "/store/consumequeue/T/0/00000000000000000000", 40, []byte("garbage garbage garbage"))
				return none
			}},
			{"a queue is missing", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				require.NoError(t, fs.RemoveAll("/store/consumequeue/T/1"))
				return none
			}},
			{"a queue file of a wrong length", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				resize(t, fs, "/store/consumequeue/T/1/00000000000000000000", 500)
				return none
			}},
			{"the index", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				infos, err := fs.ReadDir("/store/index")
				require.NoError(t, err)
				overwrite(t, fs, "/store/index/"+infos[0].Name, 300, []byte("garbage garbage garbage"))
				return none
			}},
			{"the checkpoint", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				overwrite(t, fs, "/store/checkpoint", 0, []byte("garbage garbage garbage garbage garbage garbage garbage"))
				return none
			}},
			{"record and queue", func(t *testing.T, fs vfs.FS, list []sent) func(sent) bool {
				overwrite(t, fs, log1, 1000, make([]byte, 2000))
				require.NoError(t, fs.RemoveAll("/store/consumequeue"))
				return damaged(8192+1000, 8192+3000)
			}},
		} {
			t.Run(fmt.Sprintf("%s, clean %t", bad.name, clean), func(t *testing.T) {
				c, mem, list := newStore(t, 200, clean)
				lost := bad.damage(t, mem, list)
				mended(t, c, list, lost)
			})
		}
	}
}

func TestRepairKeepsCopiesAndReports(t *testing.T) {
	c, mem, list := newStore(t, 100, true)
	const log0 = "/store/commitlog/00000000000000000000"
	overwrite(t, mem, log0, list[5].phy+90, []byte("x"))
	was, err := vfs.ReadFile(mem, log0)
	require.NoError(t, err)
	out := mended(t, c, list, damaged(list[5].phy, list[6].phy))
	require.True(t, strings.HasPrefix(filepath.Base(out.Dir), "repair-"))
	kept, err := vfs.ReadFile(mem, fmt.Sprintf("%s/commitlog/00000000000000000000.from-%d", out.Dir, list[5].phy))
	require.NoError(t, err)
	require.Equal(t, was[list[5].phy:list[6].phy], kept)
	text, err := vfs.ReadFile(mem, out.Dir+"/report.txt")
	require.NoError(t, err)
	require.Contains(t, string(text), "body checksum")
	require.Contains(t, string(text), "1 fillers stand in")
	_, err = mem.Stat("/store/abort")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.EqualValues(t, 1, check(t, config(mem)).Fillers)
}

func TestRepairOfNothing(t *testing.T) {
	mem := vfs.NewMem()
	out, err := Repair(context.Background(), storeConfig(mem))
	require.NoError(t, err)
	require.Nil(t, out)
	c, _, list := newStore(t, 50, true)
	require.Nil(t, mended(t, c, list, none))
}

func TestRepairWantsTheLock(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, storeConfig(mem))
	_, err := Repair(context.Background(), storeConfig(mem))
	var locked *vfs.LockedError
	require.ErrorAs(t, err, &locked)
	closeStore(t, s)
}
