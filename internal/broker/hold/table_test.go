package hold

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink collects what a table hands out.
type sink struct {
	mu      sync.Mutex
	resumed []*Request
	at      []time.Time
	dropped []*Request
}

func (s *sink) resume(batch []*Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range batch {
		s.resumed = append(s.resumed, r)
		s.at = append(s.at, time.Now())
	}
}

func (s *sink) drop(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = append(s.dropped, r)
}

func (s *sink) take() (resumed, dropped []*Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resumed, dropped, s.resumed, s.dropped, s.at = s.resumed, s.dropped, nil, nil, nil
	return resumed, dropped
}

// start runs a table inside a synctest bubble and returns how to stop it.
func start(t *testing.T, cfg Config) (*Table, *sink, func()) {
	s := &sink{}
	cfg.Resume, cfg.Dropped = s.resume, s.drop
	table := New(cfg)
	g := run.NewGroup(t.Context())
	table.Start(g)
	return table, s, func() {
		g.Cancel()
		require.NoError(t, g.Wait())
		table.Close()
	}
}

func pull(queue int32, offset int64, hold time.Duration) *Request {
	return &Request{Topic: "t", QueueID: queue, Offset: offset, Conn: 1, Deadline: time.Now().Add(hold)}
}

type tags map[int64]bool

func (f tags) MatchTags(code int64) bool { return f[code] }

func TestArrivalWakesTheQueueOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, s, stop := start(t, Config{})
		defer stop()
		one, two := pull(1, 5, time.Minute), pull(2, 5, time.Minute)
		require.NoError(t, table.Park(one))
		require.NoError(t, table.Park(two))
		table.Arrive("t", 1, 4, 0)
		table.Arrive("other", 1, 9, 0)
		synctest.Wait()
		resumed, _ := s.take()
		require.Empty(t, resumed, "an older entry, and one of another topic")
		table.Arrive("t", 1, 5, 0)
		synctest.Wait()
		resumed, _ = s.take()
		require.Equal(t, []*Request{one}, resumed)
		require.Equal(t, Arrived, one.Reason)
		require.Equal(t, 1, table.Len())
	})
}

func TestFilterIsAskedBeforeWaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, s, stop := start(t, Config{})
		defer stop()
		r := pull(0, 0, time.Minute)
		r.Filter = tags{7: true}
		require.NoError(t, table.Park(r))
		for i := range int64(7) {
			table.Arrive("t", 0, i, i)
		}
		synctest.Wait()
		resumed, _ := s.take()
		require.Empty(t, resumed)
		table.Arrive("t", 0, 7, 7)
		synctest.Wait()
		resumed, _ = s.take()
		require.Equal(t, []*Request{r}, resumed)
	})
}

func TestDeadlinesAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, s, stop := start(t, Config{})
		defer stop()
		began := time.Now()
		holds := []time.Duration{15 * time.Second, time.Millisecond, 1500 * time.Millisecond, 20 * time.Second}
		for i, h := range holds {
			require.NoError(t, table.Park(pull(int32(i), 0, h)))
		}
		<-time.After(time.Minute)
		synctest.Wait()
		require.Len(t, s.resumed, 4)
		for i, r := range s.resumed {
			require.Equal(t, Expired, r.Reason)
			require.Equal(t, holds[r.QueueID], s.at[i].Sub(began))
		}
	})
}

func TestTimerThatRangForNothingIsSetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, s, stop := start(t, Config{Shards: 1})
		defer stop()
		require.NoError(t, table.Park(pull(0, 0, 10*time.Second)))
		synctest.Wait()
		table.Arrive("t", 0, 0, 0)
		synctest.Wait()
		s.take()
		late := pull(0, 1, 11*time.Second)
		require.NoError(t, table.Park(late))
		<-time.After(11 * time.Second)
		synctest.Wait()
		resumed, _ := s.take()
		require.Equal(t, []*Request{late}, resumed)
		soon := pull(0, 1, time.Millisecond)
		require.NoError(t, table.Park(soon))
		<-time.After(time.Millisecond)
		synctest.Wait()
		resumed, _ = s.take()
		require.Equal(t, []*Request{soon}, resumed)
	})
}

func TestCloseConnDropsItsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, s, stop := start(t, Config{})
		defer stop()
		for q := range int32(10) {
			r := pull(q%3, 0, time.Minute)
			r.Conn = uint64(q % 2)
			require.NoError(t, table.Park(r))
		}
		table.CloseConn(1)
		table.CloseConn(1)
		_, dropped := s.take()
		require.Len(t, dropped, 5)
		table.WakeAll()
		synctest.Wait()
		resumed, _ := s.take()
		require.Len(t, resumed, 5)
		for _, r := range resumed {
			require.Zero(t, r.Conn)
			require.Equal(t, Woken, r.Reason)
		}
	})
}

func TestWakeAfterPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, s, stop := start(t, Config{})
		defer stop()
		r := pull(0, 5, time.Minute)
		r.Filter = tags{}
		require.NoError(t, table.Park(r))
		table.Wake("t", 0, 5)
		synctest.Wait()
		resumed, _ := s.take()
		require.Empty(t, resumed, "the queue ends where the pull begins")
		table.Wake("t", 0, 6)
		synctest.Wait()
		resumed, _ = s.take()
		require.Equal(t, []*Request{r}, resumed)
	})
}

func TestLimitsAndClose(t *testing.T) {
	s := &sink{}
	table := New(Config{Resume: s.resume, Dropped: s.drop, Max: 3, MaxPerConn: 2, Shards: 1})
	require.NoError(t, table.Park(pull(0, 0, time.Minute)))
	require.NoError(t, table.Park(pull(0, 0, time.Minute)))
	require.ErrorIs(t, table.Park(pull(0, 0, time.Minute)), ErrConnFull)
	other := pull(0, 0, time.Minute)
	other.Conn = 2
	require.NoError(t, table.Park(other))
	third := pull(0, 0, time.Minute)
	third.Conn = 3
	require.ErrorIs(t, table.Park(third), ErrFull)
	require.Equal(t, 3, table.Len())
	table.Arrive("t", 0, 0, 0) // ready, but nobody runs them
	table.Close()
	require.Len(t, s.dropped, 3)
	require.ErrorIs(t, table.Park(third), ErrClosed)
	require.Zero(t, table.Len())
}

// TestAgainstModel runs random parks, arrivals, waits and closes against a list.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &sink{}
		now := time.Unix(1000, 0)
		table := New(Config{Resume: s.resume, Dropped: s.drop, Now: func() time.Time { return now }, Shards: rapid.IntRange(1, 3).Draw(rt, "shards")})
		model := map[*Request]bool{}
		gone := func(want map[*Request]bool) {
			for _, sh := range table.shards {
				batch, _ := sh.next(nil, true)
				s.resume(batch)
			}
			resumed, dropped := s.take()
			got := map[*Request]bool{}
			for _, r := range append(resumed, dropped...) {
				if got[r] {
					rt.Fatalf("%v handed out twice", r)
				}
				got[r] = true
				delete(model, r)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("handed out %v, want %v", got, want)
			}
			if table.Len() != len(model) {
				rt.Fatalf("%d parked, want %d", table.Len(), len(model))
			}
		}
		pick := func(f func(*Request) bool) map[*Request]bool {
			m := map[*Request]bool{}
			for r := range model {
				if f(r) {
					m[r] = true
				}
			}
			return m
		}
		rt.Repeat(map[string]func(*rapid.T){
			"park": func(t *rapid.T) {
				r := &Request{
					Topic: "t", QueueID: rapid.Int32Range(0, 3).Draw(t, "queue"), Offset: rapid.Int64Range(0, 9).Draw(t, "offset"),
					Conn:     rapid.Uint64Range(1, 3).Draw(t, "conn"),
					Deadline: now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "hold"))),
				}
				if rapid.Bool().Draw(t, "filtered") {
					r.Filter = tags{1: true}
				}
				if err := table.Park(r); err != nil {
					t.Fatal(err)
				}
				model[r] = true
				gone(nil)
			},
			"arrive": func(t *rapid.T) {
				q, off, tag := rapid.Int32Range(0, 3).Draw(t, "queue"), rapid.Int64Range(0, 9).Draw(t, "offset"), rapid.Int64Range(0, 1).Draw(t, "tag")
				table.Arrive("t", q, off, tag)
				gone(pick(func(r *Request) bool { return r.QueueID == q && r.Offset <= off && (r.Filter == nil || tag == 1) }))
			},
			"close": func(t *rapid.T) {
				c := rapid.Uint64Range(1, 3).Draw(t, "conn")
				table.CloseConn(c)
				gone(pick(func(r *Request) bool { return r.Conn == c }))
			},
			"wait": func(*rapid.T) {
				now = now.Add(1)
				gone(pick(func(r *Request) bool { return !r.Deadline.After(now) }))
			},
		})
	})
}

func TestParkAndWakeDoNotAllocate(t *testing.T) {
	s := newShard(New(Config{Resume: func([]*Request) {}, Shards: 1}))
	rs := make([]*Request, 64)
	for i := range rs {
		rs[i] = pull(int32(i), 0, time.Hour)
	}
	var batch []*Request
	cycle := func() {
		for _, r := range rs {
			if err := s.park(r); err != nil {
				t.Fatal(err)
			}
		}
		for i := range rs {
			s.arrive(queueKey{"t", int32(i)}, 0, 0)
		}
		batch, _ = s.next(batch[:0], false)
	}
	cycle()
	require.Less(t, testing.AllocsPerRun(100, cycle), 1.0)
}

func BenchmarkParkArrive(b *testing.B) {
	s := newShard(New(Config{Resume: func([]*Request) {}, Shards: 1}))
	for i := range int32(1000) {
		if err := s.park(pull(i, 0, time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	r := pull(5000, 0, time.Hour)
	var batch []*Request
	b.ReportAllocs()
	for b.Loop() {
		_ = s.park(r)
		s.arrive(queueKey{"t", 5000}, 0, 0)
		batch, _ = s.next(batch[:0], false)
	}
}

func BenchmarkArriveNobodyWaits(b *testing.B) {
	table := New(Config{Resume: func([]*Request) {}})
	if err := table.Park(pull(0, 0, time.Hour)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		table.Arrive("some other topic", 3, 0, 0)
	}
}

func FuzzDeadlines(f *testing.F) {
	f.Add([]byte{3, 1, 2, 3})
	f.Fuzz(func(t *testing.T, in []byte) {
		now := time.Unix(0, 0)
		s := newShard(New(Config{Resume: func([]*Request) {}, Now: func() time.Time { return now }, Shards: 1}))
		for i, b := range in {
			r := &Request{Topic: "t", QueueID: int32(i % 3), Conn: uint64(i % 5), Deadline: time.Unix(0, int64(b))}
			require.NoError(t, s.park(r))
		}
		handed := 0
		for n := range 256 {
			now = time.Unix(0, int64(n))
			batch, _ := s.next(nil, true)
			for _, r := range batch {
				require.Equal(t, now, r.Deadline)
			}
			handed += len(batch)
		}
		require.Equal(t, len(in), handed)
	})
}

func TestStopWithRequestsParked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := run.NewGroup(ctx)
	s := &sink{}
	table := New(Config{Resume: s.resume, Dropped: s.drop})
	table.Start(g)
	require.NoError(t, table.Park(pull(0, 0, time.Hour)))
	cancel()
	require.NoError(t, g.Wait())
	table.Close()
	require.Len(t, s.dropped, 1)
}

func TestWakeOneTakesTheOldestThatMatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, s, stop := start(t, Config{})
		defer stop()
		first, second, third := pull(1, 0, time.Minute), pull(1, 0, time.Minute), pull(1, 0, time.Minute)
		first.Filter = tags{7: true}
		for _, r := range []*Request{first, second, third} {
			require.NoError(t, table.Park(r))
		}
		require.Equal(t, 3, table.Count("t", 1))
		for _, want := range []*Request{second, third} {
			require.True(t, table.WakeOne("t", 1, 8, false))
			synctest.Wait()
			resumed, _ := s.take()
			require.Equal(t, []*Request{want}, resumed)
		}
		require.False(t, table.WakeOne("t", 1, 8, false))
		require.False(t, table.WakeOne("t", 2, 7, true))
		require.True(t, table.WakeOne("t", 1, 8, true))
		synctest.Wait()
		resumed, _ := s.take()
		require.Equal(t, []*Request{first}, resumed)
		require.Zero(t, table.Count("t", 1))
	})
}
