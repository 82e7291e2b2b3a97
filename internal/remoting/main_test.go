package remoting

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vector returns a frame captured from a Java peer, with its length field.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "java", name+".hex"))
	require.NoError(t, err)
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(t, err)
	return b
}

// jsonFrame builds a frame without its length field.
func jsonFrame(header, body string) []byte {
	n := len(header)
	f := []byte{byte(CodecJSON), byte(n >> 16), byte(n >> 8), byte(n)}
	return append(append(f, header...), body...)
}

func mustDecode(t testing.TB, frame []byte) *Command {
	t.Helper()
	var cmd Command
	require.NoError(t, DecodeCommand(frame, &cmd, &Scratch{}))
	return &cmd
}
