package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	for text, want := range map[string]time.Time{
		"":                        {},
		"now":                     now,
		"currentTimeMillis":       now,
		"1700000000000":           time.UnixMilli(1700000000000),
		"2026-01-02#03:04:05:678": time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.Local),
		"2026-01-02 03:04:05":     time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local),
		"2026-01-02T03:04:05.5":   time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.Local),
		"2026-01-02T03:04:05Z":    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"2026-01-02":              time.Date(2026, 1, 2, 0, 0, 0, 0, time.Local),
		"90m":                     now.Add(-90 * time.Minute),
	} {
		got, err := parseTime(text, now)
		require.NoError(t, err, text)
		require.True(t, got.Equal(want), "%s: %v, want %v", text, got, want)
	}
	for _, bad := range []string{"yesterday", "-5", "-5m", "2026-13-01", "03:04"} {
		_, err := parseTime(bad, now)
		require.ErrorContains(t, err, "is not a time", bad)
	}
}

func TestBodiesThatAreNotText(t *testing.T) {
	s := shownMessageOf(&client.MessageView{Body: []byte{0xff, 0xfe}})
	require.Empty(t, s.Body)
	require.Equal(t, "//4=", s.BodyBase64)
	require.Contains(t, s.view().render(), "base64 //4=")
}

func TestPrinter(t *testing.T) {
	v := view{title: "numbers", header: []any{"n", "text", "rate"}}
	v.add(int32(10), "", 1.234)
	v.add(int32(9), "x", 2.0)
	r := report{data: []int{1}, tables: []view{v.sorted(), v}, notes: []string{"end"}}
	var b bytes.Buffer
	p, err := newPrinter(&b, "table")
	require.NoError(t, err)
	require.NoError(t, p.print(r))
	require.Equal(t, `numbers
 N  TEXT  RATE
 9  x     2.00
10  -     1.23

numbers
 N  TEXT  RATE
 9  x     2.00
10  -     1.23
end
`, b.String())
	b.Reset()
	p, err = newPrinter(&b, "json")
	require.NoError(t, err)
	require.NoError(t, p.print(r))
	require.Equal(t, "[\n  1\n]\n", b.String())
}

// TestVerbs: no verb uses a letter twice, and each has a text.
func TestVerbs(t *testing.T) {
	seen := map[string]bool{}
	for _, verbs := range [][]verb{clusterVerbs(), topicVerbs(), groupVerbs(), offsetVerbs(), messageVerbs(), configVerbs()} {
		for _, v := range verbs {
			require.False(t, seen[v.name], v.name)
			seen[v.name] = true
			require.NotEmpty(t, v.short, v.name)
			cmd := v.command("x") // panics for a letter that is there twice
			for _, f := range v.flags {
				require.NotNil(t, cmd.Flags().Lookup(f.long), "%s --%s", v.name, f.long)
				require.NotEqual(t, "n", f.short, "%s: -n is the nameserver", v.name)
			}
			for _, long := range v.either {
				require.NotNil(t, cmd.Flags().Lookup(long), "%s --%s", v.name, long)
			}
		}
	}
	require.Len(t, seen, 38)
}
