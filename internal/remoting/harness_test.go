package remoting

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long tests wait for what must happen; only failures take it.
const patience = 10 * time.Second

// startServer serves cfg on a free port until the end of the test.
func startServer(t testing.TB, cfg ServerConfig) (*Server, string) {
	t.Helper()
	s := NewServer(cfg)
	addr, err := s.Listen("127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := s.Serve(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); served.Wait() })
	return s, addr.String()
}

func startClient(t testing.TB, cfg ClientConfig) *Client {
	t.Helper()
	c := NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

// wire is a raw connection that speaks frames.
type wire struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dialWire(t testing.TB, addr string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	return newWire(t, conn)
}

func newWire(t testing.TB, conn net.Conn) *wire {
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	return &wire{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (w *wire) write(b ...byte) {
	w.t.Helper()
	_, err := w.conn.Write(b)
	require.NoError(w.t, err)
}

func (w *wire) send(cmds ...*Command) {
	w.t.Helper()
	var out []byte
	for _, c := range cmds {
		var err error
		out, err = AppendCommand(out, c)
		require.NoError(w.t, err)
	}
	w.write(out...)
}

// next reads one frame.
func (w *wire) next() *Command {
	w.t.Helper()
	var size [4]byte
	_, err := io.ReadFull(w.in, size[:])
	require.NoError(w.t, err)
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(w.in, frame)
	require.NoError(w.t, err)
	return mustDecode(w.t, frame)
}

// closed waits until the peer has closed and returns what it still sent.
func (w *wire) closed() []byte {
	w.t.Helper()
	rest, err := io.ReadAll(w.in)
	if ne, ok := err.(net.Error); ok {
		require.False(w.t, ne.Timeout(), "the connection stays open")
	}
	return rest
}

func request(opaque int32, body string) *Command {
	return &Command{Code: 7, Version: 513, Opaque: opaque, Ext: Fields{{"k", "v"}}, Body: []byte(body)}
}

// echo answers with the request's fields and body.
func echo(c *Call) error {
	c.Reply(Reply{Ext: c.Ext, Body: c.Body})
	return nil
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, f func() bool, what string) {
	t.Helper()
	require.Eventually(t, f, patience, time.Millisecond, what)
}
