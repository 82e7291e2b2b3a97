package timer

import (
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestDeliveredWhenDue(t *testing.T) {
	w := newWorld(t)
	w.open()
	began := w.ms()
	asked := map[string]int64{}
	for i, id := range ids("m", 30) {
		asked[id] = began + 1 + int64(i)*733
		w.send(id, asked[id])
	}
	w.settled()
	require.EqualValues(t, 30, w.Stats().Pending)
	require.Equal(t, protocol.Metric{Count: 30, TimeStamp: began}, w.Counts().TimingCount["T"])
	w.pass(25*time.Second, 100*time.Millisecond)
	got, at := w.delivered()
	require.ElementsMatch(t, ids("m", 30), got)
	for id, deliver := range asked {
		require.GreaterOrEqual(t, at[id], deliver, id)
		require.LessOrEqual(t, at[id], deliver+1100, id)
	}
	require.Zero(t, w.Stats().Pending)
	require.Zero(t, w.Counts().TimingCount["T"].Count)
	require.Len(t, w.late, 30)
	require.Less(t, slices.Max(w.late), time.Second)
	m := w.records[len(w.records)-1].msg
	require.Equal(t, "T", m.Topic)
	require.EqualValues(t, 3, m.QueueID)
	for _, name := range []string{message.PropRealTopic, message.PropRealQueueID, message.PropTimerOutMs, message.PropTimerEnqueueMs, message.PropTimerDequeueMs} {
		_, ok := message.Property(m.Properties, name)
		require.True(t, ok, name)
	}
	require.NoError(t, w.Close())
}

func TestOfOneSlotInTheOrderOfTheQueue(t *testing.T) {
	w := newWorld(t)
	w.open()
	due := w.ms() + 5000
	want := ids("m", 3*turnMessages)
	for _, id := range want {
		w.send(id, due)
	}
	w.pass(10*time.Second, time.Second)
	got, _ := w.delivered()
	require.Equal(t, want, got)
	require.NoError(t, w.Close())
}

func TestRecallsWin(t *testing.T) {
	w := newWorld(t)
	w.open()
	due := w.ms() + 5000
	far := w.ms() + 75_000 // rolls
	w.recall("recalled before it came", due)
	for _, id := range []string{"recalled before it came", "near", "near, recalled"} {
		w.send(id, due)
	}
	for _, id := range []string{"far", "far, recalled"} {
		w.send(id, far)
	}
	w.recall("near, recalled", due)
	w.pass(3*time.Second, time.Second)
	w.recall("far, recalled", far)
	w.pass(90*time.Second, time.Second)
	got, _ := w.delivered()
	require.Equal(t, []string{"near", "far"}, got)
	require.Zero(t, w.Counts().TimingCount["T"].Count)
	require.NoError(t, w.Close())
}

func TestRecallsThatNameTheTopic(t *testing.T) {
	w := newWorld(t)
	w.cfg.Settings = func() Settings { return Settings{TopicInRecalls: true} }
	w.open()
	due := w.ms() + 5000
	w.send("a", due)
	w.send("b", due)
	w.send("a", due, message.PropTimerDelUniqKey, "T+a")
	w.send("b", due, message.PropTimerDelUniqKey, "other+b")
	w.pass(8*time.Second, time.Second)
	got, _ := w.delivered()
	require.Equal(t, []string{"b"}, got)
	require.NoError(t, w.Close())
}

func TestFarMessagesRoll(t *testing.T) {
	w := newWorld(t)
	w.open()
	far := w.ms() + 100_000
	w.send("m", far)
	w.pass(102*time.Second, time.Second)
	got, at := w.delivered()
	require.Equal(t, []string{"m"}, got)
	require.GreaterOrEqual(t, at["m"], far)
	rolls, _ := message.Property(w.records[len(w.records)-1].msg.Properties, message.PropTimerRollTimes)
	require.Equal(t, "4", rolls)
	require.NoError(t, w.Close())
}

func TestLateAndPastAtOnce(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.settled()
	w.send("late", w.ms()-5000)
	w.settled()
	got, _ := w.delivered()
	require.Equal(t, []string{"late"}, got)
	in, _ := message.Property(w.records[1].msg.Properties, message.PropTimerEnqueueMs)
	require.Equal(t, "9223372036854775807", in)
	require.NoError(t, w.Close())
}

func TestNotEarlyAfterTheClockWasSetBack(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.pass(60*time.Second, time.Second)
	w.advance(-30 * time.Second)
	due := w.ms() + 5000
	w.send("m", due)
	w.pass(60*time.Second, time.Second)
	got, at := w.delivered()
	require.Equal(t, []string{"m"}, got)
	require.GreaterOrEqual(t, at["m"], due)
	require.NoError(t, w.Close())
}

func TestFailedDeliveriesAreRepeatedWithoutEnd(t *testing.T) {
	w := newWorld(t)
	failing := 50
	w.refuse = func(m *message.Message) Outcome {
		id, _ := message.Property(m.Properties, message.PropUniqKey)
		if id == "never" {
			return Refused
		}
		if id == "m1" && failing > 0 {
			failing--
			return Retry
		}
		return Stored
	}
	w.open()
	due := w.ms() + 2000
	for _, id := range []string{"m0", "m1", "never", "m2"} {
		w.send(id, due)
	}
	w.pass(200*time.Second, time.Second)
	got, _ := w.delivered()
	require.Equal(t, []string{"m0", "m2", "m1"}, got, "the others only once")
	require.NoError(t, w.Close())
}

func TestGarbageInTheQueueIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.open()
	for _, props := range [][]string{
		{},
		{message.PropTimerOutMs, "x"},
		{message.PropTimerOutMs, "-5"},
		{message.PropTimerOutMs, "1"},
		{message.PropTimerOutMs, "1", message.PropRealTopic, "T"},
		{message.PropTimerOutMs, "1", message.PropRealTopic, "T", message.PropRealQueueID, "-1"},
		{message.PropTimerOutMs, "9223372036854775807", message.PropRealTopic, "T", message.PropRealQueueID, "1"},
	} {
		var p []byte
		for i := 0; i < len(props); i += 2 {
			p = message.AppendProperty(p, props[i], props[i+1])
		}
		w.append(message.Message{Topic: Topic, Body: []byte("b"), Properties: string(p)})
	}
	w.send("good", w.ms()+1000)
	w.pass(50*time.Second, time.Second)
	got, _ := w.delivered()
	require.Equal(t, []string{"good"}, got)
	require.NoError(t, w.Close())
}

func TestACleanStopDeliversNothingTwice(t *testing.T) {
	w := newWorld(t)
	w.open()
	began := w.ms()
	for i, id := range ids("m", 2000) {
		w.send(id, began+1+int64(i)*10)
	}
	for range 12 {
		w.pass(3*time.Second, 700*time.Millisecond)
		w.advance(1200 * time.Millisecond)
		w.turn(t.Context()) // in the middle of a slot
		require.NoError(t, w.Close())
		w.open()
	}
	got, _ := w.delivered()
	require.ElementsMatch(t, ids("m", 2000), got)
	require.NoError(t, w.Close())
}

func TestDownForLongerThanTheWheel(t *testing.T) {
	w := newWorld(t)
	w.open()
	began := w.ms()
	for i, id := range ids("m", 10) {
		w.send(id, began+1+int64(i)*1500)
	}
	w.settled()
	require.NoError(t, w.Close())
	w.advance(30 * 24 * time.Hour)
	w.open()
	w.send("new", w.ms()+1000)
	w.pass(4*time.Second, time.Second)
	got, _ := w.delivered()
	require.ElementsMatch(t, append(ids("m", 10), "new"), got)
	require.NoError(t, w.Close())
}

func TestStoppedByConfiguration(t *testing.T) {
	w := newWorld(t)
	var settings Settings
	w.cfg.Settings = func() Settings { return settings }
	w.open()
	settings.StopEnqueue = true
	w.send("m", w.ms()+1000)
	w.settled()
	require.EqualValues(t, 1, w.Stats().Unindexed)
	settings = Settings{StopDequeue: true}
	w.pass(5*time.Second, time.Second)
	require.EqualValues(t, 1, w.Stats().Pending)
	require.Positive(t, w.Stats().Behind)
	settings = Settings{}
	w.settled()
	got, _ := w.delivered()
	require.Equal(t, []string{"m"}, got)
	require.NoError(t, w.Close())
}

// damage changes a file of the index.
func damage(t *testing.T, w *world, name string, f func(f vfs.File) error) {
	file, err := w.mem.Open("store/" + name)
	require.NoError(t, err)
	require.NoError(t, errors.Join(f(file), file.Close()))
}

func TestTheIndexIsMadeAnew(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, w *world){
		"no wheel":        func(t *testing.T, w *world) { require.NoError(t, w.mem.Remove("store/timerwheel")) },
		"no log":          func(t *testing.T, w *world) { require.NoError(t, w.mem.RemoveAll("store/timerlog")) },
		"first file gone": func(t *testing.T, w *world) { require.NoError(t, w.mem.Remove("store/timerlog/00000000000000001070")) },
		"other precision": func(_ *testing.T, w *world) { w.cfg.Precision = 500 * time.Millisecond },
		"entries zeroed": func(t *testing.T, w *world) {
			damage(t, w, "timerlog/00000000000000000000", func(f vfs.File) error { return errors.Join(f.Truncate(100), f.Truncate(w.cfg.LogFileSize)) })
		},
		"nothing left": func(t *testing.T, w *world) {
			require.NoError(t, errors.Join(w.mem.Remove("store/timerwheel"), w.mem.RemoveAll("store/timerlog")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.RollWindow = 1000 // what rolled in the minute before would come twice
			w.open()
			began := w.ms()
			for i, id := range ids("m", 60) {
				w.send(id, began+1+int64(i)*1000)
			}
			w.pass(30*time.Second, time.Second)
			require.NoError(t, w.Close())
			harm(t, w)
			w.open()
			w.pass(100*time.Second, time.Second)
			got, at := w.delivered()
			require.ElementsMatch(t, ids("m", 60), got)
			for i, id := range ids("m", 60) {
				require.GreaterOrEqual(t, at[id], began+1+int64(i)*1000)
			}
			require.NoError(t, w.Close())
		})
	}
}

func TestUnusableFilesAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		size int64
	}{
		"wheel": {"timerwheel", 77}, "log": {"timerlog/00000000000000000000", 77}, "stranger": {"timerlog/x", 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			require.NoError(t, w.mem.MkdirAll("store/timerlog"))
			f, err := w.mem.Create("store/" + c.file)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(c.size))
			w.cfg.FS = w.mem
			_, err = Open(w.cfg)
			require.ErrorContains(t, err, c.file)
		})
	}
}

// TestPowerCuts sends, recalls, cuts the power, lets writes and syncs fail, and
// looks whether everything that the commit log kept came, and nothing came early.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t)
		w.async = r.IntN(2) == 0
		failing, faulted := false, false
		w.fault = func(op vfs.Op, path string, n int) (int, error) {
			if failing && (op == vfs.OpWrite || op == vfs.OpSync) && r.IntN(5) == 0 {
				return r.IntN(n + 1), syscall.EIO
			}
			return 0, nil
		}
		w.open()
		asked := map[string]int64{}
		recalled := map[string]bool{}
		n, crashes := 0, 0
		for range 120 {
			switch k := r.IntN(12); {
			case k < 5:
				for range r.IntN(8) {
					id := ids("m", n+1)[n]
					n++
					asked[id] = w.ms() + 1 + r.Int64N(50_000)
					w.send(id, asked[id])
				}
			case k == 5 && n > 0:
				id := ids("m", n)[r.IntN(n)]
				if asked[id] > w.ms()+3000 {
					w.recall(id, asked[id])
					recalled[id] = true
				}
			case k == 6:
				failing, faulted = !failing, true
			case k == 7:
				w.mu.Lock()
				w.flushed = w.end
				w.mu.Unlock()
				_ = w.Checkpoint()
			case k == 8:
				_ = w.Checkpoint()
			case k == 9 && r.IntN(4) == 0:
				w.crash(r)
				crashes++
				failing = false
				w.advance(time.Duration(r.IntN(10)) * time.Second)
				w.open()
			case k == 10:
				w.turn(t.Context())
			default:
				w.advance(time.Duration(r.IntN(4000)) * time.Millisecond)
				for range r.IntN(6) {
					w.turn(t.Context())
				}
			}
		}
		failing = false
		w.pass(70*time.Second, time.Second)
		got, at := w.delivered()
		w.checkKept(t, seed, asked, recalled, got, at)
		if crashes == 0 && !faulted {
			slices.Sort(got)
			require.Equal(t, slices.Compact(slices.Clone(got)), got, "seed %d: twice without a crash", seed)
		}
		require.NoError(t, w.Close(), "seed %d", seed)
	}
}

// checkKept looks at the messages that are in the commit log in the end.
func (w *world) checkKept(t *testing.T, seed uint64, asked map[string]int64, recalled map[string]bool, got []string, at map[string]int64) {
	kept, recalls := map[string]bool{}, map[string]bool{}
	for _, r := range w.records {
		id, _ := message.Property(r.msg.Properties, message.PropUniqKey)
		_, recall := message.Property(r.msg.Properties, message.PropTimerDelUniqKey)
		if r.msg.Topic == Topic && recall {
			recalls[id] = true
		} else if r.msg.Topic == Topic {
			kept[id] = true
		}
	}
	for id := range kept {
		if recalled[id] {
			require.True(t, !recalls[id] || !slices.Contains(got, id), "seed %d: %s was recalled", seed, id)
			continue
		}
		require.Contains(t, got, id, "seed %d: lost", seed)
		require.GreaterOrEqual(t, at[id], asked[id], "seed %d: %s early", seed, id)
	}
}

func TestBytesOfJava(t *testing.T) {
	e := entry{prev: none, magic: magicDefault, wrote: 0x1a1fb554d50, delay: 0x927c0, phy: 0x7c6, size: 0x14b, hash: hashOf("N1")}
	const vector = "00000034ffffffffffffffff00000001000001a1fb554d50000927c000000000000007c60000014b000009a30000000000000000"
	require.Equal(t, vector, hex.EncodeToString(e.append(nil)))
	raw, err := hex.DecodeString(vector)
	require.NoError(t, err)
	back, err := decodeEntry(raw, 0)
	require.NoError(t, err)
	require.Equal(t, e, back)

	p := new(page)
	p.slots[0] = slot{unit: 0x6b00dcca, num: 1}
	require.Equal(t, "000000006b00dcca0000000000000000000000000000000000000001"+"00000000", hex.EncodeToString(p.append(nil)[:slotSize]))
	pg, at := index(0x6b00dcca)
	require.EqualValues(t, 172234, pg*pageSlots+at)

	c := check{read: 0x1a1fb5783b8, log: 0x9c, queue: 3, master: 3, version: protocol.DataVersion{Timestamp: 0x1a1fb578594, Counter: 0xc1}}
	const checkVector = "000001a1fb5783b8000000000000009c000000000000000300000000000000030000000000000000000001a1fb57859400000000000000c1"
	require.Equal(t, checkVector, hex.EncodeToString(c.append(nil)))
	raw, err = hex.DecodeString(checkVector)
	require.NoError(t, err)
	got, err := decodeCheck(raw)
	require.NoError(t, err)
	require.Equal(t, c, got)
	_, err = decodeCheck(raw[:31])
	require.Error(t, err)

	// storage.md 19.4: 250000 s ahead waits in the slot 172800 s ahead.
	s := &Service{cfg: Config{RollWindow: 172800}, precision: 1000}
	require.Equal(t, place{unit: 1000 + 172800, wrote: 1_000_000, rolls: true}, s.placeOf((1000+250000)*1000, 1000))
	require.Equal(t, place{unit: 1000 + 86400, wrote: 1_000_000, rolls: true}, s.placeOf((1000+172800)*1000, 1000))
	require.EqualValues(t, 57849829, hashOf("a😀é"), "as Java's hashCode")
}

func TestOut(t *testing.T) {
	for deliver, want := range map[int64]int64{5000: 4000, 5001: 5000, 5999: 5000, 6000: 5000} {
		require.Equal(t, want, Out(deliver, 1000))
	}
}

func TestAsk(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	const most = 100 * time.Second
	for _, c := range []struct {
		ask  Ask
		want int64
		err  string
	}{
		{Ask{DelaySec: "5", DelayMs: "7", DeliverMs: "x"}, 1_005_000, ""},
		{Ask{DelayMs: "7", DeliverMs: "x"}, 1_000_007, ""},
		{Ask{DeliverMs: "1000500", StartTime: "x"}, 1_000_500, ""},
		{Ask{StartTime: "1000600"}, 1_000_600, ""},
		{Ask{DelaySec: "-5"}, 1_000_000, ""},
		{Ask{DeliverMs: "5"}, 5, ""},
		{Ask{DelaySec: "101"}, 0, `property TIMER_DELAY_SEC="101": the time of delivery is more than the allowed 100 s ahead (timerMaxDelaySec)`},
		{Ask{DelaySec: "9223372036854775807"}, 0, "TIMER_DELAY_SEC"},
		{Ask{DeliverMs: "1100001"}, 0, "TIMER_DELIVER_MS"},
		{Ask{DelayMs: "1.5"}, 0, `property TIMER_DELAY_MS="1.5": not a whole number of milliseconds`},
		{Ask{StartTime: strings.Repeat("9", 1000)}, 0, "__STARTDELIVERTIME"},
	} {
		got, err := c.ask.Deliver(now, most)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			require.Less(t, len(err.Error()), 300)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	require.False(t, (&Ask{}).Asked())
}

func TestHandle(t *testing.T) {
	h, err := ParseHandle("djEgdCBiIDE3MDAwMDAwMDAwMDEgQUMxMTAw")
	require.NoError(t, err)
	require.Equal(t, Handle{"t", "b", 1700000000001, "AC1100"}, h)
	require.Equal(t, "djEgdCBiIDE3MDAwMDAwMDAwMDEgQUMxMTAw", h.String())
	for text, why := range map[string]string{
		"": "empty", "***": "Base64", "djI=": "version", "djEgdA==": "2 parts", strings.Repeat("a", 5000): "5000 bytes",
		Handle{"t", "", 1, "k"}.String(): "empty", Handle{"t", "b", -1, "k"}.String(): "time",
	} {
		_, err := ParseHandle(text)
		require.ErrorContains(t, err, why)
	}
}

func FuzzParseHandle(f *testing.F) {
	f.Add("djEgdCBiIDE3MDAwMDAwMDAwMDEgQUMxMTAw")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHandle(text)
		if err != nil {
			return
		}
		again, err := ParseHandle(h.String())
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add((&entry{prev: none, magic: 1, size: 5}).append(nil), int64(52))
	f.Fuzz(func(t *testing.T, b []byte, pos int64) {
		if len(b) < entrySize {
			return
		}
		if e, err := decodeEntry(b, pos); err == nil {
			back, err := decodeEntry(e.append(nil), pos)
			require.NoError(t, err)
			require.Equal(t, e, back)
		}
	})
}

func FuzzDecodeCheck(f *testing.F) {
	f.Add((&check{read: 5}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := decodeCheck(b); err == nil {
			require.GreaterOrEqual(t, min(c.read, c.log, c.queue), int64(0))
		}
	})
}

func FuzzParseWaiting(f *testing.F) {
	w := newWorld(f)
	w.send("m", math.MaxInt32)
	f.Add(w.records[0].data)
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseWaiting(b); err == nil {
			m.copy(1, 2, true)
			require.NotEmpty(t, m.topic)
		}
	})
}
