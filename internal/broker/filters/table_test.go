package filters

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// rig is a table with a clock and a directory of its own.
type rig struct {
	*Table
	cfg Config
	now time.Time
}

func newRig(t testing.TB) *rig {
	r := &rig{now: time.UnixMilli(1_700_000_000_000)}
	r.cfg = Config{
		FS: vfs.OS, Path: filepath.Join(t.TempDir(), "consumerFilter.json"), Keep: func() time.Duration { return time.Hour },
		ErrorRate: 20, Consumers: 32, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler),
	}
	r.open(t)
	return r
}

func (r *rig) open(t testing.TB) {
	var err error
	r.Table, err = Open(r.cfg)
	require.NoError(t, err)
}

func sql(topic, expression string, version int64) protocol.SubscriptionData {
	return protocol.SubscriptionData{Topic: topic, SubString: expression, ExpressionType: SQL92, SubVersion: version}
}

func (r *rig) register(subs ...protocol.SubscriptionData) error { return r.Register("g", subs) }

func (r *rig) entry(t testing.TB, topic string) *Entry {
	e, ok := r.Find(topic, "g")
	require.True(t, ok, topic)
	return e
}

// The example of the specification, and what Guava says of two longer names.
func TestBloom(t *testing.T) {
	b := newBloom(20, 32)
	require.Equal(t, bloom{bits: 112, hashes: 3}, b)
	require.Equal(t, []int{101, 75, 49}, b.positions("GID_a#TopicA"))
	require.Equal(t, bloom{bits: 216, hashes: 3}, newBloom(20, 64))
}

func TestVersions(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.register(protocol.SubscriptionData{Topic: "t", SubString: "*", ExpressionType: "TAG"}))
	require.Zero(t, r.Len(), "tags are of no concern")

	require.NoError(t, r.register(sql("t", "a > 5", 10)))
	first := r.entry(t, "t")
	require.EqualValues(t, 10, first.Version)
	require.Equal(t, r.now.UnixMilli(), first.BornTime)

	r.now = r.now.Add(time.Second)
	require.NoError(t, r.register(sql("t", "a > 6", 9)))
	require.Same(t, first, r.entry(t, "t"), "an old version")
	require.NoError(t, r.register(sql("t", "a > 6", 10)))
	require.Same(t, first, r.entry(t, "t"), "the same version")

	require.NoError(t, r.register(sql("t", "a > 5", 11)))
	second := r.entry(t, "t")
	require.EqualValues(t, 11, second.Version)
	require.Equal(t, first.BornTime, second.BornTime, "the expression is the same")
	require.Same(t, first.Program, second.Program, "compiled once")

	require.NoError(t, r.register(sql("t", "a > 6", 12)))
	require.Equal(t, r.now.UnixMilli(), r.entry(t, "t").BornTime)
}

func TestWrongExpressions(t *testing.T) {
	r := newRig(t)
	require.ErrorContains(t, r.register(sql("t", "a > 'x'", 1)), "group g, topic t: java.lang.RuntimeException: Value ''x'' cannot be compared.")
	require.Zero(t, r.Len())
	require.NoError(t, r.register(sql("t", "a > 5", 2)))
	require.NoError(t, r.register(sql("t", "a >", 1)), "an old version is not looked at")
}

func TestWrongExpressionRemovesTheOldOne(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.register(sql("t", "a > 5", 2)))
	require.Error(t, r.register(sql("t", "a >", 3)))
	require.Zero(t, r.Len())
	require.ErrorContains(t, r.register(protocol.SubscriptionData{Topic: "t", SubString: "x", ExpressionType: "JS", SubVersion: 4}), `type "JS"`)
}

func TestDeathAndRevival(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.register(sql("t", "a > 5", 1), sql("u", "a > 6", 1)))
	r.now = r.now.Add(time.Minute)
	require.NoError(t, r.register(sql("t", "a > 5", 1)))
	require.False(t, r.entry(t, "t").Dead())
	require.True(t, r.entry(t, "u").Dead(), "no longer subscribed")

	require.NoError(t, r.register(sql("t", "a > 5", 1), sql("u", "a > 6", 1)))
	require.False(t, r.entry(t, "u").Dead())

	r.Unregister("g")
	require.True(t, r.entry(t, "t").Dead())
	require.NoError(t, r.register(sql("t", "a > 5", 0)))
	require.True(t, r.entry(t, "t").Dead(), "an old version revives nothing")
	require.NoError(t, r.register(sql("t", "a > 5", 2)))
	require.False(t, r.entry(t, "t").Dead())

	require.NoError(t, r.Save())
	r.now = r.now.Add(59 * time.Minute)
	require.NoError(t, r.Save())
	require.Equal(t, 2, r.Len())
	r.now = r.now.Add(time.Minute)
	require.NoError(t, r.Save())
	require.Equal(t, 1, r.Len(), "dead for too long")
}

func TestFile(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.Save())
	require.NoFileExists(t, r.cfg.Path, "nothing to write")
	require.NoError(t, r.register(sql("t", "a > 5 AND b = 'it''s'", 7)))
	require.NoError(t, r.Save())
	written, err := os.ReadFile(r.cfg.Path)
	require.NoError(t, err)
	require.Equal(t, strings.Join(strings.Fields(`{"filterDataByTopic":{"t":{"groupFilterData":{"g":{"bloomFilterData":{"bitNum":112,"bitPos":[`+
		joined(r.bloom.positions("g#t"))+`]},"bornTime":1700000000000,"clientVersion":7,"consumerGroup":"g","dead":false,"deadTime":0,
		"expression":"a > 5 AND b = 'it''s'","expressionType":"SQL92","topic":"t"}},"topic":"t"}}}`), ""),
		strings.Join(strings.Fields(string(written)), ""))

	r.now = r.now.Add(time.Minute)
	r.open(t)
	e := r.entry(t, "t")
	require.Equal(t, "a > 5 AND b = 'it''s'", e.Expression)
	require.EqualValues(t, 7, e.Version)
	require.True(t, e.Dead(), "nobody has come yet")
	require.Equal(t, r.now.Add(-deadAtLoad).UnixMilli(), e.DeadTime)
	require.True(t, e.Program.MatchProperties("a\x016\x02b\x01it's\x02"))
	require.NoError(t, r.register(sql("t", e.Expression, 7)))
	require.False(t, r.entry(t, "t").Dead())
	require.Equal(t, e.BornTime, r.entry(t, "t").BornTime)
}

func joined(list []int) string {
	var all []string
	for _, n := range list {
		all = append(all, strconv.Itoa(n))
	}
	return strings.Join(all, ",")
}

func TestFilesOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"empty":          {`{"filterDataByTopic":{}}`, 0},
		"null topic":     {`{"filterDataByTopic":{"t":null}}`, 0},
		"other bloom":    {`{"filterDataByTopic":{"t":{"groupFilterData":{"g":{"bloomFilterData":{"bitNum":216,"bitPos":[1,2,3]},"expression":"a > 5","expressionType":"SQL92"}}}}}`, 0},
		"no bloom":       {`{"filterDataByTopic":{"t":{"groupFilterData":{"g":{"expression":"a > 5","expressionType":"SQL92"}}}}}`, 0},
		"bad expression": {`{"filterDataByTopic":{"t":{"groupFilterData":{"h":{"bloomFilterData":{"bitNum":112,"bitPos":[1,2,3]},"expression":"a > ","expressionType":"SQL92"},"g":{"bloomFilterData":{"bitNum":112,"bitPos":[1,2,3]},"expression":"a > 5","expressionType":"SQL92","unknown":1}}}}}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			require.NoError(t, os.WriteFile(r.cfg.Path, []byte(c.text), 0o600))
			r.open(t)
			require.Equal(t, c.want, r.Len())
		})
	}
	r := newRig(t)
	require.NoError(t, os.WriteFile(r.cfg.Path, []byte("{"), 0o600))
	_, err := Open(r.cfg)
	require.ErrorContains(t, err, "consumerFilter.json")
}

func TestTableIsBounded(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.register(sql("t", "a > 5", 1)))
	r.mu.bytes = MaxBytes
	require.ErrorIs(t, r.register(sql("t", "a > 5", 1), sql("u", "a > 5", 1)), ErrFull)
	require.Equal(t, 1, r.Len())
	r.mu.bytes, r.mu.count = 0, MaxEntries
	require.ErrorIs(t, r.register(sql("t", "a > 5", 1), sql("u", "a > 5", 1)), ErrFull)
	_, ok := r.Find("u", "g")
	require.False(t, ok)
}

func TestFindAllocatesNothing(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.register(sql("t", "a > 5", 1)))
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Find("t", "g") }))
}
