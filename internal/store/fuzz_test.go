package store

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/vfs"
)

// damage changes one file of a small store that was killed.
func damage(t testing.TB, name string, at int64, with []byte) *vfs.Mem {
	mem := vfs.NewMem()
	s := open(t, async(kinds(mem)))
	for i := range 60 {
		put(t, s, msg("T", int32(i%2), "body"+strconv.Itoa(i), "KEYS", "k"+strconv.Itoa(i), "TAGS", "A"))
		if i%5 == 0 {
			putBatch(t, s, "a", "b", "c")
		}
		if i == 30 {
			require.NoError(t, s.Checkpoint())
		}
	}
	require.NoError(t, s.queues.Flush(context.Background(), s.LogMax()))
	kill(t, s)
	if f, err := mem.Open(name); err == nil {
		size, err := f.Size()
		require.NoError(t, err)
		at = max(0, at) % max(1, size)
		_, err = f.WriteAt(with[:min(int64(len(with)), size-at)], at)
		require.NoError(t, err)
	}
	return mem
}

// FuzzOpen opens a store with a damaged file and uses it: whatever the damage,
// there is an error or a store that answers, and never a panic.
func FuzzOpen(f *testing.F) {
	files := []string{
		"/store/commitlog/00000000000000000000", "/store/commitlog/00000000000000008192", "/store/checkpoint",
		"/store/consumequeue/T/0/00000000000000000000", "/store/consumequeue/T/1/00000000000000000400", "/store/batchconsumequeue/B/0/00000000000000000000", "/store/index",
	}
	for i := range files {
		f.Add(uint8(i), int64(100*i), []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 1})
	}
	f.Fuzz(func(t *testing.T, file uint8, at int64, with []byte) {
		name := files[int(file)%len(files)]
		c := async(kinds(damage(t, name, at, with)))
		if name == "/store/index" {
			damageIndex(t, c.FS, at, with)
		}
		s, err := Open(context.Background(), c)
		if err != nil {
			return
		}
		for _, k := range []cqueue.Key{{Topic: "T"}, {Topic: "T", ID: 1}, {Topic: "B"}} {
			for off := s.MinOffset(k.Topic, k.ID); off < s.MaxOffset(k.Topic, k.ID); {
				r, _ := s.Get(GetRequest{Topic: k.Topic, QueueID: k.ID, Offset: off, MaxMsgs: 32}, nil)
				if r.NextOffset <= off {
					break
				}
				off = r.NextOffset
			}
			s.OffsetByTime(k.Topic, k.ID, 1, false)
		}
		for _, phy := range s.QueryIndex("T", "k7", 64, 0, 1<<60) {
			if _, err := s.Record(phy, nil); err != nil {
				require.NotErrorIs(t, err, context.Canceled)
			}
		}
		s.Put(context.Background(), msg("T", 0, "after"))
		if err := s.Close(context.Background()); err != nil {
			t.Log(err)
		}
	})
}

func async(c Config) Config {
	c.Flush = FlushAsync
	return c
}

func damageIndex(t testing.TB, fs vfs.FS, at int64, with []byte) {
	infos, err := fs.ReadDir("/store/index")
	require.NoError(t, err)
	for _, info := range infos {
		f, err := fs.Open("/store/index/" + info.Name)
		require.NoError(t, err)
		at = max(0, at) % info.Size
		_, err = f.WriteAt(with[:min(int64(len(with)), info.Size-at)], at)
		require.NoError(t, err)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, mode := range []FlushMode{FlushAsync, FlushSync} {
		for _, batch := range []int{1, 32} {
			name := map[FlushMode]string{FlushAsync: "async", FlushSync: "sync"}[mode] + "/" + strconv.Itoa(batch)
			b.Run(name, func(b *testing.B) {
				c := DefaultConfig(b.TempDir())
				c.Flush = mode
				s := open(b, c)
				m := msg("T", 0, string(make([]byte, 1024)), "UNIQ_KEY", "AC110001000000000000000000000001", "TAGS", "A")
				b.SetBytes(1024)
				b.ReportAllocs()
				left := 0
				for b.Loop() {
					p := s.AcquirePut()
					p.Topic = "T"
					p.Done = func(p *Put) { s.ReleasePut(p) }
					if err := p.Add(m); err != nil {
						b.Fatal(err)
					}
					s.Enqueue(p)
					if left--; left <= 0 {
						s.Commit()
						left = batch
					}
				}
				s.Commit()
				b.StopTimer()
				closeStore(b, s)
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, DefaultConfig(b.TempDir()))
	for range 3200 {
		put(b, s, msg("T", 0, string(make([]byte, 1024)), "TAGS", "A"))
	}
	require.NoError(b, s.Checkpoint())
	buf := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	off := int64(0)
	for b.Loop() {
		var r GetResult
		r, buf = s.Get(GetRequest{Topic: "T", Offset: off % 3168, MaxMsgs: 32}, buf[:0])
		if r.Count != 32 {
			b.Fatal(r)
		}
		off += 32
	}
	b.StopTimer()
	closeStore(b, s)
}

// BenchmarkRecover opens a store that was killed with all its records behind the
// checkpoint.
func BenchmarkRecover(b *testing.B) {
	const records = 400_000
	for _, queues := range []int{8, 100_000} {
		b.Run(strconv.Itoa(queues)+" queues", func(b *testing.B) {
			c := DefaultConfig(b.TempDir())
			c.CheckpointInterval, c.QueueInterval = time.Hour, time.Hour
			s := open(b, c)
			for i := range records {
				m := msg("T", int32(i%queues), string(make([]byte, 1024)), "UNIQ_KEY", "AC110001000000000000000000000001", "TAGS", "A")
				p := s.AcquirePut()
				p.Topic, p.QueueID = m.Topic, m.QueueID
				p.Done = s.ReleasePut
				require.NoError(b, p.Add(m))
				s.Enqueue(p)
				if i%64 == 0 {
					s.Commit()
				}
			}
			s.Commit()
			kill(b, s)
			for b.Loop() {
				s := open(b, c)
				require.EqualValues(b, records, s.Recovery().Records)
				b.StopTimer()
				kill(b, s)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/records/float64(b.N), "ns/record")
		})
	}
}
