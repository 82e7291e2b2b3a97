package filter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ordinary is the properties of a message of a Java client, with two of its own.
const ordinary = "UNIQ_KEY\x017F000001AE0B0000ZYXWVUTSRQPONMLK\x02WAIT\x01true\x02TAGS\x01TagA\x02a\x017\x02b\x01x\x02MSG_REGION\x01DefaultRegion\x02TRACE_ON\x01true\x02CLUSTER\x01DefaultCluster\x02"

func BenchmarkMatch(b *testing.B) {
	for name, expression := range map[string]string{
		"and":     "a > 5 AND b = 'x'",
		"first":   "a > 8 AND b = 'x'",
		"double":  "a > 5.5",
		"between": "a BETWEEN 1 AND 10",
		"in":      "b IN ('u', 'v', 'w', 'x')",
		"longIn":  "b IN ('u', 'v', 'w', 'x', 'y', 'z')",
		"absent":  "c IS NOT NULL",
		"many":    "c = '1' OR d = '1' OR e = '1' OR f = '1' OR g = '1' OR h = '1' OR i = '1' OR j = '1' OR k = '1' OR l = '1'",
	} {
		b.Run(name, func(b *testing.B) {
			p, err := Compile(expression)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				p.MatchProperties(ordinary)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for name, expression := range map[string]string{
		"short": "a > 5 AND b = 'x'",
		"long":  "a IN (" + strings.Repeat("'x',", 16000) + "'y')",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := Compile(expression)
				require.NoError(b, err)
			}
		})
	}
}
