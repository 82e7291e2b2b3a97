package broker

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/message"
)

func encoded(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(pairs[i] + "\x01" + pairs[i+1] + "\x02")
	}
	return b.String()
}

func TestPropsAreRewritten(t *testing.T) {
	for name, c := range map[string]struct{ in, out string }{
		"nothing":           {"", ""},
		"all kept":          {encoded("a", "1", "TAGS", "t"), encoded("a", "1", "TAGS", "t")},
		"no last separator": {"a\x011\x02b\x012", encoded("a", "1", "b", "2")},
		"empty name":        {"\x011\x02" + encoded("b", "2"), encoded("b", "2")},
		"empty value":       {encoded("a", "") + encoded("b", "2"), encoded("b", "2")},
		"no name":           {"abc\x02" + encoded("b", "2") + "xyz", encoded("b", "2")},
		"empty items":       {"\x02\x02" + encoded("b", "2") + "\x02", encoded("b", "2")},
		"the broker's own":  {encoded("MSG_REGION", "r", "a", "1", "TRACE_ON", "x", "CLUSTER", "c"), encoded("a", "1")},
		"check points":      {encoded("a", "1", "POP_CK", "x", "POP_CK_OFFSET", "7"), encoded("a", "1", "POP_CK_OFFSET", "7")},
		"checksum":          {encoded("__CRC32#", "1234567890"), ""},
		"transient":         {encoded("__RMQ.TRANSIENT.x", "1", "a", "1"), encoded("a", "1")},
		"decided later":     {encoded("DELAY", "3", "a", "1", "TIMER_DELAY_MS", "5", "_SYS_MSG_PRIORITY_", "1"), encoded("a", "1")},
		"only separators":   {"\x01\x02\x01", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := sendProps{buf: []byte("left over")}
			p.read(c.in)
			require.Equal(t, c.out, p.text())
		})
	}
}

func TestPropsPickedOut(t *testing.T) {
	var p sendProps
	p.read(encoded("UNIQ_KEY", "u", "KEYS", "k", "DELAY", "3", "TRAN_MSG", "True", "__SHARDINGKEY", "s", "INNER_NUM", "2", "__LITE_TOPIC", "l", "TIMER_DELIVER_MS", "1"))
	require.Equal(t, "u", p.uniqKey)
	require.Equal(t, "k", p.keys)
	require.Equal(t, "l", p.liteTopic)
	require.EqualValues(t, 3, p.delayLevel())
	require.True(t, p.half && p.ordered && p.innerNum && p.ask.Asked())
	require.Equal(t, stats.Transaction, p.kind())
	p.read(encoded("DELAY", "many"))
	require.Zero(t, p.delayLevel())
	require.Equal(t, stats.Delay, p.kind())
	p.read("")
	require.Equal(t, stats.Normal, p.kind())
	require.Equal(t, "", p.uniqKey)
}

func TestPriorityOnlyWithoutAnotherType(t *testing.T) {
	for props, want := range map[string]int32{
		encoded("_SYS_MSG_PRIORITY_", "3"):                       3,
		encoded("_SYS_MSG_PRIORITY_", "0"):                       0,
		encoded("_SYS_MSG_PRIORITY_", "-1"):                      -1,
		encoded("_SYS_MSG_PRIORITY_", "x"):                       -1,
		encoded("_SYS_MSG_PRIORITY_", "3", "__SHARDINGKEY", "k"): -1,
		encoded("_SYS_MSG_PRIORITY_", "3", "DELAY", "1"):         -1,
		encoded("a", "1"):                                        -1,
	} {
		var p sendProps
		p.read(props)
		level, ok := p.priorityLevel()
		if !ok {
			level = -1
		}
		require.Equal(t, want, level, "%q", props)
	}
}

func TestPropsDoNotAllocate(t *testing.T) {
	client := encoded("UNIQ_KEY", strings.Repeat("A", 32), "WAIT", "true", "TAGS", "TagA", "KEYS", "k1")
	var p sendProps
	p.read(client)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p.read(client)
		p.add("x", "y")
		_ = p.text()
	}))
}

// FuzzProps checks the rewriting against the plain reading of the properties.
func FuzzProps(f *testing.F) {
	f.Add("UNIQ_KEY\x01AC11\x02WAIT\x01true\x02TAGS\x01TagA\x02KEYS\x01k1\x02")
	f.Add("a\x01\x02\x01b\x02\x02c\x01d")
	f.Add("DELAY\x013\x02DELAY\x014\x02POP_CK\x01x\x02a\x01b\x01c\x02")
	f.Fuzz(func(t *testing.T, client string) {
		var p sendProps
		p.read(client)
		want, own := map[string]string{}, sendProps{}
		for k, v := range message.Properties(client) {
			if own.take(k, v) {
				want[k] = v
			}
		}
		got := maps.Collect(message.Properties(p.text()))
		require.Equal(t, want, got)
		require.Equal(t, own.uniqKey, p.uniqKey)
		require.Equal(t, own.delay, p.delay)
		require.LessOrEqual(t, len(p.buf), len(client)+1)
	})
}

func BenchmarkProps(b *testing.B) {
	client := encoded("UNIQ_KEY", strings.Repeat("A", 32), "WAIT", "true", "TAGS", "TagA", "KEYS", "k1")
	var p sendProps
	b.ReportAllocs()
	for b.Loop() {
		p.read(client)
	}
}
