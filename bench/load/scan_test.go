package load

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func frameOf(t testing.TB, cmd remoting.Command) []byte {
	t.Helper()
	b, err := remoting.AppendCommand(nil, &cmd)
	require.NoError(t, err)
	return b
}

func pullAnswer(t testing.TB, codec remoting.Codec, slot int, code protocol.ResponseCode, body []byte) []byte {
	return frameOf(t, remoting.Command{
		Code: int32(code), Opaque: int32(opaqueBase + slot), Flag: remoting.FlagResponse, Version: 513, Remark: `a "code":7`,
		Ext:  remoting.Fields{{Key: "minOffset", Value: "1"}, {Key: "nextBeginOffset", Value: "1234"}, {Key: "maxOffset", Value: "9"}},
		Body: body, Codec: codec,
	})
}

func TestResponsesInAnyPieces(t *testing.T) {
	var stream []byte
	stream = append(stream, pullAnswer(t, remoting.CodecJSON, 3, protocol.RespSuccess, []byte("body"))...)
	stream = append(stream, frameOf(t, remoting.Command{Code: 40, Opaque: 1, Flag: remoting.FlagOneway})...) // the server's own request
	stream = append(stream, pullAnswer(t, remoting.CodecBinary, 4, protocol.RespPullNotFound, nil)...)
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"in halves":    iotest.HalfReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			in := newReader(r, 16)
			var resp response
			next := func() {
				t.Helper()
				for {
					ok, err := in.next(&resp)
					require.NoError(t, err)
					if ok {
						return
					}
					require.NoError(t, in.fill())
				}
			}
			next()
			require.Equal(t, 3, resp.slot)
			require.Zero(t, resp.code)
			require.Equal(t, "body", string(resp.body))
			offset, ok := resp.nextOffset()
			require.True(t, ok)
			require.EqualValues(t, 1234, offset)
			next()
			require.Equal(t, 4, resp.slot)
			require.EqualValues(t, protocol.RespPullNotFound, resp.code)
			offset, ok = resp.nextOffset()
			require.True(t, ok)
			require.EqualValues(t, 1234, offset)
			require.ErrorIs(t, in.fill(), io.EOF)
		})
	}
}

func TestResponsesThatAreNone(t *testing.T) {
	for name, b := range map[string]string{
		"length":  "\xff\xff\xff\xff\x00\x00\x00\x00",
		"header":  "\x00\x00\x00\x05\x00\x00\x00\x09abcdefgh",
		"no code": "\x00\x00\x00\x06\x00\x00\x00\x02{}",
		"binary":  "\x00\x00\x00\x06\x01\x00\x00\x02{}",
	} {
		in := newReader(bytes.NewReader([]byte(b)), 64)
		require.NoError(t, in.fill())
		_, err := in.next(&response{})
		require.ErrorIs(t, err, errResponse, name)
	}
}

func FuzzResponses(f *testing.F) {
	f.Add(pullAnswer(f, remoting.CodecJSON, 3, 0, []byte("body")))
	f.Add(pullAnswer(f, remoting.CodecBinary, 3, 19, nil))
	f.Add([]byte("\x00\x00\x00\x06\x01\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := newReader(bytes.NewReader(b), 32)
		var resp response
		for {
			ok, err := in.next(&resp)
			if err != nil {
				return
			}
			if ok {
				resp.nextOffset()
				continue
			}
			if in.fill() != nil {
				return
			}
		}
	})
}

func TestScanningAllocatesNothing(t *testing.T) {
	b := pullAnswer(t, remoting.CodecJSON, 3, 0, make([]byte, 100))
	src := bytes.NewReader(b)
	in := newReader(src, 1024)
	var resp response
	require.Zero(t, testing.AllocsPerRun(100, func() {
		src.Reset(b)
		if err := in.fill(); err != nil {
			t.Fatal(err)
		}
		if ok, err := in.next(&resp); !ok || err != nil {
			t.Fatal(err)
		}
		resp.nextOffset()
	}))
}

func BenchmarkScan(b *testing.B) {
	frame := pullAnswer(b, remoting.CodecJSON, 3, 0, nil)
	src := bytes.NewReader(frame)
	in := newReader(src, 1024)
	var resp response
	b.ReportAllocs()
	for range b.N {
		src.Reset(frame)
		_ = in.fill()
		_, _ = in.next(&resp)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := newRecorder()
	for i := range b.N {
		r.record(int64(1_000_000 + i%1000*1000))
	}
}
