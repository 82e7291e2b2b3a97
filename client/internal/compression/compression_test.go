package compression

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
)

func pack(t testing.TB, body []byte, open func(w io.Writer) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := open(&b)
	_, err := w.Write(body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zlibWriter(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
func lz4Writer(w io.Writer) io.WriteCloser  { return lz4.NewWriter(w) }
func zstdWriter(w io.Writer) io.WriteCloser {
	z, err := zstd.NewWriter(w)
	if err != nil {
		panic(err) // no option can be wrong: there is none
	}
	return z
}

func TestDecompress(t *testing.T) {
	body := bytes.Repeat([]byte("all work and no play "), 500)
	check := func(sysFlag int32, packed []byte) {
		t.Helper()
		got, err := Decompress(sysFlag, packed)
		require.NoError(t, err)
		require.Equal(t, body, got)
	}
	check(0, body)
	check(message.FlagCompressed, pack(t, body, zlibWriter))
	check(message.FlagCompressed|message.FlagCompressionZlib, pack(t, body, zlibWriter))
	check(message.FlagCompressed|message.FlagCompressionLZ4, pack(t, body, lz4Writer))
	check(message.FlagCompressed|message.FlagCompressionZstd, pack(t, body, zstdWriter))
}

func TestDecompressRefuses(t *testing.T) {
	for _, kind := range []int32{0, message.FlagCompressionZlib, message.FlagCompressionLZ4, message.FlagCompressionZstd, 0x400} {
		_, err := Decompress(message.FlagCompressed|kind, []byte("this is not compressed at all"))
		require.Error(t, err, "kind %#x", kind)
	}
	const limit = 1 << 20
	for kind, w := range map[int32]func(io.Writer) io.WriteCloser{0x000: zlibWriter, 0x100: lz4Writer, 0x200: zstdWriter} {
		_, err := decompress(message.FlagCompressed|kind, pack(t, make([]byte, limit), w), limit)
		require.NoError(t, err)
		_, err = decompress(message.FlagCompressed|kind, pack(t, make([]byte, limit+1), w), limit)
		require.ErrorIs(t, err, ErrTooLarge)
	}
}

func FuzzDecompress(f *testing.F) {
	body := []byte("all work and no play makes jack a dull boy")
	f.Add(int32(0x001), pack(f, body, zlibWriter))
	f.Add(int32(0x101), pack(f, body, lz4Writer))
	f.Add(int32(0x201), pack(f, body, zstdWriter))
	f.Add(int32(0x301), []byte{0x78, 0x9c})
	f.Fuzz(func(t *testing.T, sysFlag int32, body []byte) {
		plain, err := Decompress(sysFlag, body)
		if err == nil && len(plain) > MaxBody && sysFlag&message.FlagCompressed != 0 {
			t.Fatalf("%d bytes", len(plain))
		}
	})
}
