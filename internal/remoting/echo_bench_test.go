package remoting

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// pump keeps a window of frames in flight until n answers came. It does nothing but
// count frames, so that it costs little beside the server.
func pump(b *testing.B, addr string, frame []byte, n, window int) {
	conn, err := net.Dial("tcp", addr)
	require.NoError(b, err)
	defer func() { _ = conn.Close() }()
	require.NoError(b, conn.SetDeadline(time.Now().Add(time.Minute)))
	var out []byte
	for range window {
		out = append(out, frame...)
	}
	write := func(frames int) {
		if _, err := conn.Write(out[:frames*len(frame)]); err != nil {
			b.Error(err)
		}
	}
	window = min(window, n)
	write(window)
	in, have := make([]byte, 256<<10), 0
	for sent, got := window, 0; got < n; {
		m, err := conn.Read(in[have:])
		if err != nil {
			b.Error(err)
			return
		}
		have += m
		frames, at := 0, 0
		for at+4 <= have {
			end := at + 4 + int(binary.BigEndian.Uint32(in[at:]))
			if end > have {
				break
			}
			at = end
			frames++
		}
		have = copy(in, in[at:have])
		got += frames
		if more := min(frames, n-sent); more > 0 {
			write(more)
			sent += more
		}
	}
}

func benchServer(b *testing.B, handler Handler, cmd *Command, conns, window int) {
	_, addr := startServer(b, ServerConfig{Handler: handler})
	frame, err := AppendCommand(nil, cmd)
	require.NoError(b, err)
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	b.ResetTimer()
	var pumps sync.WaitGroup
	for range conns {
		pumps.Go(func() { pump(b, addr, frame, b.N/conns+1, window) })
	}
	pumps.Wait()
}

func sendHandler(c *Call) error {
	var req protocol.SendMessageRequest
	if err := BindAlias(c.Ext, &req); err != nil {
		return err
	}
	resp := protocol.SendMessageResponse{
		MsgID: "7F00000100002A9F000000000008C3D2", QueueID: req.QueueID, QueueOffset: 1 << 40,
		TransactionID: "AC110001000000000000000000000A1",
	}
	c.Reply(Reply{Header: &resp, Ext: sendExt})
	return nil
}

func sendCommand(b *testing.B, body int) *Command {
	cmd := mustDecode(b, vector(b, "send_request")[4:]).Clone()
	cmd.Body = make([]byte, body)
	return cmd
}

func BenchmarkEcho128InFlight(b *testing.B) {
	benchServer(b, echo, request(1, string(make([]byte, 128))), 1, 128)
}

func BenchmarkSend128BInFlight128(b *testing.B) {
	benchServer(b, sendHandler, sendCommand(b, 128), 1, 128)
}

func BenchmarkSend1KInFlight4x32(b *testing.B) {
	benchServer(b, sendHandler, sendCommand(b, 1024), 4, 32)
}

func BenchmarkSend1KOneInFlight(b *testing.B) {
	benchServer(b, sendHandler, sendCommand(b, 1024), 1, 1)
}

func BenchmarkClientInvoke128(b *testing.B) {
	_, addr := startServer(b, ServerConfig{Handler: echo})
	c := startClient(b, ClientConfig{})
	cmd := request(0, string(make([]byte, 128)))
	b.ReportAllocs()
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Invoke(b.Context(), addr, cmd); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
