package filter

import (
	"bufio"
	"compress/gzip"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
)

// TestJavaVectors compares with what Apache's classes say about some thousand
// expressions; testdata/java/FilterVectors.java wrote the file.
func TestJavaVectors(t *testing.T) {
	f, err := os.Open("testdata/java/vectors.tsv.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	var p *Program
	expression, compiled, refused, evaluated, wrong := "", 0, 0, 0, 0
	for lines.Scan() && wrong < 20 {
		fields := strings.Split(lines.Text(), "\t")
		switch fields[0] {
		case "E":
			var want, got string
			expression, want = unescape(t, fields[1]), unescape(t, fields[2])
			if strings.ContainsRune(fields[1], '\uFFFD') || strings.ContainsRune(expression, '\uFFFD') {
				p = nil
				continue // half a character: no client can send it
			}
			p, err = Compile(expression)
			compiled++
			if err != nil {
				got = err.Error()
				refused++
			}
			if want != got {
				wrong++
				t.Errorf("%q:\nJava: %q\nhere: %q", expression, want, got)
			}
		case "P":
			if p == nil {
				continue
			}
			var props []byte
			for i := 1; i+2 < len(fields); i += 2 {
				props = message.AppendProperty(props, fields[i], unescape(t, fields[i+1]))
			}
			evaluated++
			want, got := fields[len(fields)-1], letter(p, string(props))
			if want != got {
				wrong++
				t.Errorf("%q with %q: Java %s, here %s", expression, props, want, got)
			}
			require.Equal(t, want == "T", p.MatchProperties(string(props)), "%q with %q", expression, props)
		}
	}
	require.NoError(t, lines.Err())
	require.Greater(t, compiled-refused, 1500)
	require.Greater(t, refused, 3000)
	require.Greater(t, evaluated, 6000)
}

// letter is the result of an expression as the vectors have it.
func letter(p *Program, props string) string {
	e := evaluation{slots: make([]slot, len(p.names))}
	p.pick(props, e.slots)
	return map[truth]string{yes: "T", no: "F", unknown: "N", failed: "X"}[e.truth(p.root)]
}

// unescape undoes what the generator did; half a character becomes U+FFFD.
func unescape(t *testing.T, s string) string {
	var units []uint16
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			units = append(units, uint16(s[i]))
			continue
		}
		i++
		switch s[i] {
		case 't':
			units = append(units, '\t')
		case 'n':
			units = append(units, '\n')
		case 'r':
			units = append(units, '\r')
		case 'u':
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			require.NoError(t, err)
			units = append(units, uint16(n))
			i += 4
		default:
			units = append(units, uint16(s[i]))
		}
	}
	return string(utf16.Decode(units))
}
