package dedup

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const window = 8 * time.Second

func (t *Table) at(topic, value string) []Key { return []Key{t.KeyOf(topic, ID{"K", value})} }

func (t *Table) begin(topic, value string, now int64, owner any) (Verdict, []int64) {
	return t.Begin(Request{Topic: topic, Keys: t.at(topic, value), Now: now, Owner: owner, Bytes: 100}, nil)
}

func TestTheFirstCopyIsKnownUntilItsWindowEnds(t *testing.T) {
	table := New(100)
	verdict, _ := table.begin("T", "a", 1000, nil)
	require.Equal(t, First, verdict)
	require.Empty(t, table.Stored("T", window, table.at("T", "a"), []int64{77}, 1000))
	for _, now := range []int64{1000, 8999} {
		verdict, places := table.begin("T", "a", now, nil)
		require.Equal(t, Known, verdict)
		require.Equal(t, []int64{77}, places)
	}
	verdict, _ = table.begin("T", "b", 1000, nil)
	require.Equal(t, First, verdict)
	table.Failed(table.at("T", "b"))
	verdict, _ = table.begin("U", "a", 1000, nil)
	require.Equal(t, First, verdict, "another topic")
	table.Failed(table.at("U", "a"))
	verdict, _ = table.begin("T", "a", 1000+8000+2001, nil)
	require.Equal(t, First, verdict, "too old")
	require.Zero(t, table.Stats().Entries)
}

func TestACopyUnderWayHoldsTheNext(t *testing.T) {
	table := New(100)
	table.begin("T", "a", 0, nil)
	verdict, _ := table.begin("T", "a", 0, "second")
	require.Equal(t, Held, verdict)
	verdict, _ = table.begin("T", "a", 0, "third")
	require.Equal(t, Held, verdict)
	require.Equal(t, 2, table.Stats().Held)

	require.Equal(t, []any{"second", "third"}, table.Failed(table.at("T", "a")))
	verdict, _ = table.begin("T", "a", 0, "second")
	require.Equal(t, First, verdict)
	verdict, _ = table.begin("T", "a", 0, "third")
	require.Equal(t, Held, verdict)
	require.Equal(t, []any{"third"}, table.Stored("T", window, table.at("T", "a"), []int64{5}, 0))
	verdict, places := table.begin("T", "a", 0, "third")
	require.Equal(t, Known, verdict)
	require.Equal(t, []int64{5}, places)
	require.Zero(t, table.Stats().Held)
	require.Zero(t, table.bytes)
}

func TestABatchIsKnownWhenAllOfItIs(t *testing.T) {
	table := New(100)
	keys := append(table.at("T", "a"), table.at("T", "b")...)
	batch := Request{Topic: "T", Keys: keys}
	verdict, _ := table.Begin(batch, nil)
	require.Equal(t, First, verdict)
	table.Stored("T", window, keys[:1], []int64{1}, 0) // a crash left a part of it
	table.Failed(keys[1:])
	verdict, _ = table.Begin(batch, nil)
	require.Equal(t, First, verdict)
	verdict, _ = table.begin("T", "b", 0, "single")
	require.Equal(t, Held, verdict)
	require.Equal(t, []any{"single"}, table.Stored("T", window, keys, []int64{10, 20}, 0))
	verdict, places := table.Begin(batch, nil)
	require.Equal(t, Known, verdict)
	require.Equal(t, []int64{10, 20}, places)
}

func TestAgainStoresWhatAnotherMessagesHashHides(t *testing.T) {
	table := New(100)
	table.Remember("T", window, table.at("T", "a")[0], 1, 0)
	r := Request{Topic: "T", Keys: table.at("T", "a"), Again: true}
	verdict, _ := table.Begin(r, nil)
	require.Equal(t, First, verdict)
	table.Stored("T", window, r.Keys, []int64{2}, 0)
	_, places := table.begin("T", "a", 0, nil)
	require.Equal(t, []int64{2}, places)
}

func TestTheOldestAreForgottenWhenThereAreTooMany(t *testing.T) {
	table := New(160)
	for i := range 1000 {
		topic := []string{"T", "U"}[i%2]
		table.Remember(topic, window, table.at(topic, fmt.Sprint(i))[0], int64(i), int64(i))
	}
	s := table.Stats()
	require.LessOrEqual(t, s.Entries, 160)
	require.Greater(t, s.Entries, 100)
	require.EqualValues(t, 1000, int64(s.Entries)+s.Dropped)
	verdict, _ := table.begin("T", "998", 1000, nil)
	require.Equal(t, Known, verdict)
	verdict, _ = table.begin("T", "0", 1000, nil)
	require.Equal(t, First, verdict)

	table.Sweep(1000, func(topic string) bool { return topic == "T" })
	require.NotContains(t, table.Stats().Suppressed, "U")
	table.Sweep(1_000_000, func(string) bool { return true })
	require.Zero(t, table.Stats().Entries)
}

func TestHeldRequestsAreBounded(t *testing.T) {
	table := New(10)
	table.begin("T", "a", 0, nil)
	for range MaxHeld {
		verdict, _ := table.begin("T", "a", 0, 1)
		require.Equal(t, Held, verdict)
	}
	verdict, _ := table.begin("T", "a", 0, 1)
	require.Equal(t, Full, verdict)
	require.Len(t, table.Failed(table.at("T", "a")), MaxHeld)

	table.begin("T", "a", 0, nil)
	verdict, _ = table.Begin(Request{Topic: "T", Keys: table.at("T", "a"), Bytes: MaxHeldBytes + 1}, nil)
	require.Equal(t, Full, verdict)
}

// TestModel compares the table with a map of everything, as long as nothing is
// dropped: within the window every message is known or under way, and it never
// claims what was not stored.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := New(1 << 20)
		type copyOf struct{ place, at int64 }
		stored := map[string]copyOf{}
		flying := map[string]int{} // key -> copies held
		now, place := int64(0), int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, 3000).Draw(t, "time")
			value := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			keys := table.at("T", value)
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				verdict, places := table.begin("T", value, now, value)
				first, known := stored[value]
				_, flies := flying[value]
				switch {
				case flies:
					require.Equal(t, Held, verdict)
					flying[value]++
				case known && now <= first.at+window.Milliseconds():
					require.Equal(t, Known, verdict)
					require.Equal(t, []int64{first.place}, places)
				case verdict == Known: // longer than need be
					require.True(t, known)
					require.Equal(t, []int64{first.place}, places)
				default:
					require.Equal(t, First, verdict)
					flying[value] = 0
				}
			case 1:
				if n, flies := flying[value]; flies {
					place++
					require.Len(t, table.Stored("T", window, keys, []int64{place}, now), n)
					stored[value] = copyOf{place, now}
					delete(flying, value)
				}
			case 2:
				if n, flies := flying[value]; flies {
					require.Len(t, table.Failed(keys), n)
					delete(flying, value)
				}
			}
		}
	})
}

func TestWindows(t *testing.T) {
	for text, want := range map[string]time.Duration{"2m": 2 * time.Minute, "1500ms": 1500 * time.Millisecond, "120000": 2 * time.Minute, "24h": 24 * time.Hour} {
		got, err := ParseWindow(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "2", "x", "-5m", "25h", "999ms", "9223372036854775807", "1e9"} {
		_, err := ParseWindow(text)
		require.ErrorContains(t, err, "from 1s to 24h", text)
	}
	require.NoError(t, CheckProperty("orderId"))
	require.Error(t, CheckProperty(""))
	require.Error(t, CheckProperty("a\x01b"))
}

func TestIDs(t *testing.T) {
	const props = "UNIQ_KEY\x01u\x02orderId\x017\x02"
	require.Equal(t, ID{"UNIQ_KEY", "u"}, IDOf(props, ""))
	require.Equal(t, ID{"orderId", "7"}, IDOf(props, "orderId"))
	require.Equal(t, ID{"orderId", "7"}, IDOf("orderId\x017\x02UNIQ_KEY\x01u\x02", "orderId"))
	require.Equal(t, ID{"UNIQ_KEY", "u"}, IDOf(props, "other"))
	require.Equal(t, ID{}, IDOf("a\x01b\x02", "other"))
}

func FuzzIDOf(f *testing.F) {
	f.Add("UNIQ_KEY\x01u\x02orderId\x017\x02", "orderId")
	f.Fuzz(func(t *testing.T, props, property string) {
		id := IDOf(props, property)
		require.Equal(t, id.Name == "", id.Value == "")
		_, _ = ParseWindow(property)
	})
}

func BenchmarkBegin(b *testing.B) {
	table := New(1 << 20)
	for i := range 1 << 19 {
		table.Remember("T", window, Key(i*7919), int64(i), int64(i/100))
	}
	keys := make([]Key, 1)
	b.ReportAllocs()
	for i := range b.N {
		keys[0] = Key(i*7919 + 1)
		table.Begin(Request{Topic: "T", Keys: keys, Now: 5000, Again: i%2 == 0}, nil)
		table.Failed(keys)
	}
}
