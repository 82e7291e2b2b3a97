package filter

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
)

func compiled(t testing.TB, expression string) *Program {
	p, err := Compile(expression)
	require.NoError(t, err, expression)
	return p
}

func record(t testing.TB, props string) []byte {
	host := netip.MustParseAddrPort("127.0.0.1:10911")
	rec, err := message.AppendRecord(nil, &message.Message{
		Topic: "t", Body: []byte("body"), Properties: props, BornHost: host, StoreHost: host,
	}, message.Options{})
	require.NoError(t, err)
	return rec
}

func TestRecords(t *testing.T) {
	p := compiled(t, "a > 5 AND b = 'x'")
	require.True(t, p.MatchTags(0))
	rec := record(t, "a\x017\x02b\x01x\x02")
	require.True(t, p.MatchRecord(rec))
	require.False(t, p.MatchRecord(record(t, "a\x017\x02b\x01y\x02")))
	require.True(t, p.MatchRecord(record(t, "b\x01y\x02a\x011\x02a\x016\x02b\x01x\x02")), "the last of one name counts")
	require.False(t, p.MatchRecord(record(t, "")))
	require.True(t, compiled(t, "TRUE").MatchRecord(rec))
	for n := range rec {
		require.False(t, compiled(t, "TRUE").MatchRecord(rec[:n]), "%d bytes", n)
	}
}

func TestManyProperties(t *testing.T) {
	var terms, props []string
	for i := range 50 {
		terms = append(terms, fmt.Sprintf("p%d = '%d'", i, i))
		props = append(props, fmt.Sprintf("p%d\x01%d\x02", i, i))
	}
	p := compiled(t, strings.Join(terms, " AND "))
	all := strings.Join(props, "")
	require.True(t, p.MatchProperties(all))
	require.False(t, p.MatchProperties(strings.Replace(all, "p49\x0149", "p49\x0148", 1)))
	require.False(t, p.MatchProperties(""), "nothing is left of the message before")
	require.Zero(t, testing.AllocsPerRun(100, func() { p.MatchProperties(all) }))
}

func TestNothingIsAllocated(t *testing.T) {
	rec := record(t, ordinary)
	for _, expression := range []string{
		"a > 5 AND b = 'x'", "a > 5.5 OR a BETWEEN 1 AND 3", "b IN ('1','2','3','4','5')", "TAGS CONTAINS 'ag' AND NOT (a = 5)", "b > a", "a = TRUE", "- 5 < a",
	} {
		p := compiled(t, expression)
		require.Zero(t, testing.AllocsPerRun(100, func() { p.MatchRecord(rec) }), expression)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct{ expression, want string }{
		"long":        {"a = '" + strings.Repeat("x", MaxLength) + "'", "the expression has 65542 bytes, at most 65536 are allowed"},
		"parentheses": {strings.Repeat("(", 2000) + "a" + strings.Repeat(")", 2000), "nested more than 1000 levels deep, the limit, at line 1, column 1000"},
		"signs":       {strings.Repeat("- ", 2000) + "5 = a", "nested more than 1000 levels"},
		"plus":        {strings.Repeat("+ ", 2000) + "a", "nested more than 1000 levels"},
		"nots":        {strings.Repeat("NOT ", 2000) + "a", "nested more than 1000 levels"},
		"nulls":       {"a" + strings.Repeat(" IS NULL", 2000), "nested more than 1000 levels"},
		"chain":       {"a = 1" + strings.Repeat(" = TRUE", 2000), "nested more than 1000 levels"},
		"mixed":       {strings.Repeat("(a AND (b OR ", 600) + "a" + strings.Repeat("))", 600), "nested more than 1000 levels"},
		"terms":       {"a = 1" + strings.Repeat(" OR a = 1", 4096), "more than 4096 comparisons, signs and NOTs, the limit, at line 1, column"},
	} {
		_, err := Compile(c.expression)
		require.ErrorContains(t, err, c.want, name)
	}
	for name, expression := range map[string]string{
		"parentheses": strings.Repeat("(", 900) + "a" + strings.Repeat(")", 900),
		"terms":       "a = 1" + strings.Repeat(" OR a = 1", 4000),
		"list":        "a IN ('x'" + strings.Repeat(",'x'", 16000) + ")",
		"comments":    "a = 1" + strings.Repeat(" /**/", 10000),
	} {
		p := compiled(t, expression)
		require.False(t, p.MatchProperties("b\x01x\x02"), name)
	}
}

// Java evaluates the left side of BETWEEN twice, and so everything in it two to
// the power of the depth times. So does the text of its errors double.
func TestNestedRanges(t *testing.T) {
	expression := "a"
	for range 300 {
		expression = "-(" + expression + " BETWEEN 1 AND 2)"
	}
	p := compiled(t, "NOT ("+expression+" BETWEEN 1 AND 2)")
	require.False(t, p.MatchProperties("a\x011\x02"))
	_, err := Compile("(" + expression + " BETWEEN 1 AND 2) > 5")
	require.ErrorContains(t, err, "cannot be compared")
	require.Less(t, len(err.Error()), 2*maxShown)
}

// What is long and has no end is read once, not once for each character.
func TestLexerIsLinear(t *testing.T) {
	for _, s := range []string{
		"a = 1 " + strings.Repeat("-", 60000), strings.Repeat("'x''", 16000), strings.Repeat("/*", 30000), "a" + strings.Repeat("--\n", 20000),
		"+ a = " + strings.Repeat("+(a) = ", 9000), strings.Repeat("+(", 900) + "a",
	} {
		_, _ = Compile(s)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"a > 5 AND b = 'x'", "+(a NOT IN ('x', 'y'))", "a BETWEEN - 1 AND 5.5e3 -- c\n", "/* c */ NOT TRUE <> b", "a IS NOT NULL OR", "'", "a CONTAINS 'x", "5L = $a",
	} {
		f.Add(s, "a\x015\x02b\x01x\x02")
	}
	f.Fuzz(func(t *testing.T, expression, props string) {
		p, err := Compile(expression)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		want := letter(p, props) == "T"
		require.Equal(t, want, p.MatchProperties(props))
		require.Positive(t, p.Size())
		_ = p.root.String()
	})
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"5", " 5f ", "0x1.8p3", "-Infinity", "1e-99999999", "٣", "0x", "+", "5d5", "."} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		parseLong(s)
		parseDouble(s)
	})
}
