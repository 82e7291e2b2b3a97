package pop

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/javajson"
)

func TestReceipt(t *testing.T) {
	const text = "10 1700000000000 60000 3 1 broker-a 2 12"
	r, err := ParseReceipt(text)
	require.NoError(t, err)
	require.Equal(t, Receipt{10, 1700000000000, 60000, 3, '1', "broker-a", 2, 12}, r)
	require.Equal(t, text, string(r.Append(nil)))

	r, err = ParseReceipt(text + " 4711") // a proxy appends the physical offset
	require.NoError(t, err)
	require.EqualValues(t, 12, r.Offset)

	for _, bad := range []string{"", "1", "1 2 3", "x 2 3 4", "1 2 3 4 9", "1 2 3 4 0 b q", "1 2 3 99999999999"} {
		_, err := ParseReceipt(bad)
		require.Error(t, err, bad)
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add("10 1700000000000 60000 3 1 broker-a 2 12")
	f.Add("1 2 3 999")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReceipt(s)
		if err != nil {
			return
		}
		again, err := ParseReceipt(string(r.Append(nil)))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func TestNames(t *testing.T) {
	require.EqualValues(t, '0', Mark("T"))
	require.EqualValues(t, '1', Mark("%RETRY%g_T"))
	require.EqualValues(t, '2', Mark("%RETRY%g+T"))
	for mark, name := range map[byte]string{'0': "T_1", '1': "%RETRY%g_T_1", '2': "%RETRY%g+T_1"} {
		require.Equal(t, name, RealTopic(mark, "T_1", "g"))
		require.Equal(t, "T_1", NormalTopic(name, "g"))
	}
	require.Equal(t, "%RETRY%g", NormalTopic("%RETRY%g", "g"))
	require.Equal(t, "%RETRY%other_T", NormalTopic("%RETRY%other_T", "g"))
}

// javaCheckPoint was written by Java 5.5.0 (consumption.md 8.3).
const javaCheckPoint = `{"bm":0,"bn":"broker-a","c":"g","d":[0,1],"it":5000,"n":2,"pt":1795218306529,"q":1,"reviveTime":1795218311529,"ro":0,"so":0,"sp":false,"t":"T"}`

func TestCheckPointIsJavas(t *testing.T) {
	p := &pair{topic: "T", group: "g"}
	l := &lease{key: leaseKey{p, 1, 0, 1795218306529}, invisible: 5000, n: 2}
	require.Equal(t, javaCheckPoint, string(appendCheckPoint(nil, l, "broker-a")))
	c, err := parseCheckPoint([]byte(javaCheckPoint))
	require.NoError(t, err)
	back := leaseOf(&c, p, 7, 100, nil)
	require.Equal(t, l.key, back.key)
	require.Equal(t, []int64{0, 1}, []int64{back.offset(0), back.offset(1)})

	l.diffs, l.n = []int32{0, 5, 9}, 3
	require.Contains(t, string(appendCheckPoint(nil, l, `b"\`)), `"bn":"b\"\\"`)
	require.Contains(t, string(appendCheckPoint(nil, l, "b")), `"d":[0,5,9]`)
	require.Equal(t, `{"ao":5,"bn":"b","c":"g","pt":1795218306529,"q":1,"so":0,"t":"T"}`, string(appendAck(nil, l, 2, "b")))
	require.Equal(t, `{"ao":-1,"aol":[0,9],"bn":"b","c":"g","pt":1795218306529,"q":1,"so":0,"t":"T"}`, string(appendAck(nil, l, 5, "b")))
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(javaCheckPoint))
	f.Add([]byte(`{"ao":-1,"aol":[0,9],"bn":"b","c":"g","pt":1,"q":1,"so":0,"t":"T"}`))
	f.Add([]byte(`{"t":"T","c":"g","q":1,"n":5,"o":{"popTime":1,"i":5,"o":[1,1],"cm":1,"l":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var total atomic.Int64
		g, p := newLedger(&total), &pair{topic: "T", group: "g"}
		if c, err := parseCheckPoint(body); err == nil && c.Num > 0 {
			l := leaseOf(&c, p, 0, 10, map[string]string{propFence: "x", propFirst: "1"})
			g.lend(l)
			require.LessOrEqual(t, len(appendCheckPoint(nil, l, "b")), len(body)*2+4096)
			g.settle(l, l.all())
			require.Zero(t, total.Load())
		}
		_, _ = parseAck(body)
		var r orderRecord
		if javajson.Unmarshal(body, &r) == nil && r.Info.valid() && len(r.Info.Offsets) > 0 {
			r.Info.freeAt(5)
			r.Info.appendCounts(nil, '0', 1)
			lendOrdered(r.Info, "a", 5, 5, []int64{r.Info.offset(0), 7})
			r.Info.ack(3, r.Info.PopTime)
		}
	})
}

// TestFrontierModel compares a frontier with a plain table of what is lent.
func TestFrontierModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f frontier
		f.jump(0)
		lent := map[int64]bool{}
		var flying []*span
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0, 1:
				s := f.begin()
				n := rapid.Int64Range(1, 5).Draw(t, "n")
				if s.next >= 0 {
					n = min(n, s.next-s.start)
				}
				s.next = s.start + n
				for o := s.start; o < s.next; o++ {
					if lent[o] {
						t.Fatalf("%d is lent twice", o)
					}
					lent[o] = true
				}
				f.reserve(&s)
				flying = append(flying, &s)
			default:
				if len(flying) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(flying)-1).Draw(t, "which")
				s := flying[i]
				flying = append(flying[:i], flying[i+1:]...)
				ok := rapid.IntRange(0, 3).Draw(t, "ok") > 0
				if !ok {
					for o := s.start; o < s.next; o++ {
						delete(lent, o)
					}
				}
				if f.done(s, ok); len(f.holes) == 0 && f.epoch > 1 {
					return // too many holes: it began again
				}
			}
			for o := range f.committed {
				if !lent[o] {
					t.Fatalf("committed %d, but %d is not lent", f.committed, o)
				}
			}
			for _, s := range flying {
				if s.start < f.committed {
					t.Fatalf("committed %d, but the check point of %d is not there", f.committed, s.start)
				}
			}
		}
	})
}

func TestFrontierReplay(t *testing.T) {
	var f frontier
	f.jump(0)
	f.replay(span{0, 10}, false)
	require.EqualValues(t, 10, f.committed)
	f.replay(span{20, 30}, false) // the check point of 10 to 20 got lost
	require.EqualValues(t, 10, f.committed)
	require.Equal(t, span{10, 20}, f.begin())
	f.replay(span{12, 15}, false)
	f.replay(span{10, 12}, false)
	f.replay(span{15, 20}, false)
	require.EqualValues(t, 30, f.committed)
	require.Empty(t, f.holes)
	f.replay(span{5, 7}, true) // a reset
	require.EqualValues(t, 7, f.committed)
	f.replay(span{100, 101}, true)
	require.EqualValues(t, 101, f.committed)
}

// TestLedgerModel compares a ledger with a list of what is to be redelivered.
func TestLedgerModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var total atomic.Int64
		g, p := newLedger(&total), &pair{topic: "T", group: "g"}
		open := map[int64]*lease{} // by offset
		now, at, next := int64(1000), int64(0), int64(0)
		var busy []*lease
		for range 300 {
			now += r.Int64N(20)
			switch r.IntN(6) {
			case 0, 1:
				l := &lease{key: leaseKey{p, 0, next, now}, due: now + r.Int64N(200), n: 1 + r.IntN(maxLease), at: at, first: now, heapIndex: -1}
				at++
				for i := range l.n {
					open[l.offset(i)] = l
				}
				next += int64(l.n)
				g.lend(l)
			case 2, 3:
				for offset, l := range open {
					found, i := g.find(l.key, offset)
					require.Same(t, l, found, "seed %d", seed)
					g.acking(l, 1<<i)
					if r.IntN(5) == 0 {
						g.failed(l, 1<<i)
					} else {
						g.settle(l, 1<<i)
						delete(open, offset)
					}
					break
				}
			case 4:
				if l := g.expired(now); l != nil {
					require.LessOrEqual(t, l.due, now)
					busy = append(busy, l)
				}
				if len(busy) > 0 && r.IntN(2) == 0 {
					l := busy[0]
					busy = busy[1:]
					if r.IntN(3) > 0 { // redelivered
						mask := l.open()
						g.acking(l, mask)
						g.settle(l, mask)
						for i := range l.n {
							delete(open, l.offset(i))
						}
					}
					g.again(l, now+10)
				}
			case 5:
				for _, l := range g.stale(at-20, nil, 2) {
					g.moved(l, at, l.acked, true)
					at++
				}
			}
			live := map[*lease]bool{}
			floor := at
			for _, l := range open {
				live[l] = true
				floor = min(floor, l.at)
			}
			require.EqualValues(t, len(live), total.Load(), "seed %d", seed)
			require.EqualValues(t, len(open), p.inflight.Load(), "seed %d", seed)
			require.Equal(t, floor, g.floor(at), "seed %d", seed)
		}
		g.drop(func(*pair) bool { return true })
		require.Zero(t, total.Load())
		require.Zero(t, p.inflight.Load())
		require.Empty(t, g.due)
	}
}

func TestOrder(t *testing.T) {
	o := lendOrdered(nil, "a", 100, 50, []int64{7, 8, 10})
	require.Equal(t, []int64{7, 1, 3}, o.Offsets)
	require.Equal(t, "0 3 0", string(o.appendCounts(nil, '0', 3)))
	require.True(t, o.blocks("", 50, 149))
	require.False(t, o.blocks("a", 50, 149), "the same attempt")
	require.False(t, o.blocks("", 50, 150))

	_, is := o.ack(9, 100)
	require.Equal(t, ackIllegal, is)
	_, is = o.ack(7, 99)
	require.Equal(t, ackIgnored, is)
	next, is := o.ack(8, 100)
	require.Equal(t, ackTaken, is)
	require.EqualValues(t, 7, next)
	require.True(t, o.renew(7, 100, 500))
	require.EqualValues(t, 500, o.freeAt(0))

	again := lendOrdered(o, "b", 600, 50, []int64{7, 10, 11})
	require.Equal(t, []int64{7, 1, 3, 4}, again.Offsets, "8 stays acknowledged")
	require.Equal(t, "0 qo3%7 1;0 qo3%10 1;0 3 0", string(again.appendCounts(nil, '0', 3)))
	for _, offset := range []int64{7, 10} {
		_, is = again.ack(offset, 600)
		require.Equal(t, ackTaken, is)
	}
	next, _ = again.ack(11, 600)
	require.EqualValues(t, 12, next)
	require.False(t, again.blocks("", 50, 600))
}

// TestJavasOrderFile reads what a Java broker wrote.
func TestJavasOrderFile(t *testing.T) {
	w := newWorld(t, 1)
	w.send("T", 0, "a")
	w.send("T", 0, "b")
	w.stop()
	require.NoError(t, w.fs.MkdirAll("/store/config"))
	f, err := w.fs.Create("/store/config/consumerOrderInfo.json")
	require.NoError(t, err)
	text := strings.ReplaceAll(`{"orderInfoCount":1,"orderedConsumptionLevel":"QUEUE","table":{"T@g":{0:{"a":"x","cm":1,"i":60000,"l":NOW,"o":[0,1],"oc":{0:1},"popTime":NOW}}}}`, "NOW", fmt.Sprint(w.clock.Load()))
	_, err = f.WriteAt([]byte(text), 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	w.open()
	c := w.s.Cursor("T", group, 0)
	require.True(t, c.Blocked("", 0))
	require.False(t, c.Blocked("x", 0))
	require.True(t, c.AckedInOrder(0))
	require.False(t, c.AckedInOrder(1))
	w.stop()
}
