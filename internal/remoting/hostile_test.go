package remoting

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// TestMalformedFramesClose walks through the table of bad input: never a reply, only
// a close. What was sent before is still answered.
func TestMalformedFramesClose(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo})
	bad := map[string]string{
		"length 0":             "\x00\x00\x00\x00",
		"length negative":      "\xff\xff\xff\xff",
		"length too large":     "\x00\xff\xff\xfd",
		"header beyond frame":  "\x00\x00\x00\x08\x00\x00\x00\x05{}  ",
		"codec 2":              "\x00\x00\x00\x06\x02\x00\x00\x02{}",
		"codec 255":            "\x00\x00\x00\x06\xff\x00\x00\x02{}",
		"syntax error":         "\x00\x00\x00\x07\x00\x00\x00\x03{}x",
		"no header":            "\x00\x00\x00\x04\x00\x00\x00\x00",
		"length below 4":       "\x00\x00\x00\x01\x00",
		"binary header short":  "\x00\x00\x00\x06\x01\x00\x00\x02{}",
		"HTTP":                 "GET / HTTP/1.1\r\n\r\n",
		"PROXY without header": "PROXY nonsense\r\n",
		"TLS":                  "\x16\x03\x01\x00\x00",
	}
	for name, in := range bad {
		w := dialWire(t, addr)
		w.write([]byte(in)...)
		require.Empty(t, w.closed(), name)
	}
	w := dialWire(t, addr)
	w.send(request(1, "good"))
	require.Equal(t, "good", string(w.next().Body))
	frame, err := AppendCommand(nil, request(2, "good"))
	require.NoError(t, err)
	w.write(append(frame, "\x00\x00\x00\x00"...)...)
	require.Equal(t, int32(2), w.next().Opaque)
	require.Empty(t, w.closed())
	require.NotZero(t, s.Stats().Malformed)
}

func TestEmptyHeaderIsCodeZero(t *testing.T) {
	_, addr := startServer(t, ServerConfig{})
	w := dialWire(t, addr)
	w.write([]byte("\x00\x00\x00\x06\x00\x00\x00\x02{}")...)
	got := w.next()
	require.Equal(t, int32(protocol.RespRequestCodeNotSupported), got.Code)
	require.Equal(t, " request type 0 not supported", got.Remark)
}

func TestFramesByteByByte(t *testing.T) {
	_, addr := startServer(t, ServerConfig{Handler: echo})
	w := dialWire(t, addr)
	frame, err := AppendCommand(nil, request(1, "slowly"))
	require.NoError(t, err)
	frame = append(frame, frame...)
	for _, b := range frame {
		w.write(b)
	}
	require.Equal(t, "slowly", string(w.next().Body))
	require.Equal(t, "slowly", string(w.next().Body))
}

func TestSlowLorisIsClosed(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo, FrameTimeout: 50 * time.Millisecond})
	ping := dialWire(t, addr)
	for _, start := range []string{"\x00\x00\x01\x00", "\x00\xff\xff\xf0\x00", "\x00", "PROXY TCP4 ", "\x00\x00\x00\x06\x00\x00\x00\x02{}\x00\x00"} {
		w := dialWire(t, addr)
		w.write([]byte(start)...)
		if len(start) > 12 {
			w.next()
		}
		for { // a byte now and then does not help
			if _, err := w.conn.Write([]byte{' '}); err != nil {
				break
			}
			if strings.HasPrefix(start, "PROXY") || len(start) == 1 {
				w.closed()
				break
			}
			ping.send(request(1, ""))
			ping.next()
		}
	}
	eventually(t, func() bool { return len(s.Conns()) == 1 && s.Stats().Pending == 0 }, "only the one that finishes its frames is left")
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo, IdleTimeout: 40 * time.Millisecond})
	idle, silent := dialWire(t, addr), dialWire(t, addr)
	idle.send(request(1, ""))
	idle.next()
	idle.closed()
	silent.closed()
	eventually(t, func() bool { return s.Stats().Conns == 0 }, "gone")
}

func TestGiantLengthsTakeNoMemory(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo})
	for range 50 {
		w := dialWire(t, addr)
		w.write(0x00, 0xff, 0xff, 0xfc, 0, 0, 0, 2)
	}
	eventually(t, func() bool { return s.Stats().Accepted == 50 }, "all are there")
	require.Zero(t, s.Stats().Pending)
}

// TestBudgetMakesReadersWait fills the budget with unfinished frames: further large
// frames wait, small ones are served, and what is returned is used.
func TestBudgetMakesReadersWait(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo, MaxPendingBytesTotal: 1 << 20})
	large, err := AppendCommand(nil, request(1, strings.Repeat("x", 900<<10)))
	require.NoError(t, err)
	first, second, small := dialWire(t, addr), dialWire(t, addr), dialWire(t, addr)
	first.write(large[:800<<10]...)
	eventually(t, func() bool { return s.Stats().Pending > 900<<10 }, "the first frame is charged")
	sent := make(chan error, 1)
	go func() {
		_, err := second.conn.Write(large)
		sent <- err
	}()
	small.send(request(2, "small"))
	require.Equal(t, "small", string(small.next().Body))
	require.Less(t, s.Stats().Pending, int64(2<<20), "usual reads are counted, but do not wait")
	first.write(large[800<<10:]...)
	require.Len(t, first.next().Body, 900<<10)
	require.Len(t, second.next().Body, 900<<10)
	require.NoError(t, <-sent)
	eventually(t, func() bool { return s.Stats().Pending == 0 }, "all is returned")
}

func TestBudgetWaitEnds(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo, MaxPendingBytesTotal: 100 << 10, StallTimeout: 30 * time.Millisecond})
	w := dialWire(t, addr)
	large, err := AppendCommand(nil, request(1, strings.Repeat("x", 900<<10)))
	require.NoError(t, err)
	_, _ = w.conn.Write(large)
	require.Empty(t, w.closed())
	eventually(t, func() bool { return s.Stats().Pending == 0 }, "all is returned")
}

// neverRead sends requests for large answers and reads none of them.
func neverRead(w *wire, cmd *Command) {
	frame, err := AppendCommand(nil, cmd)
	require.NoError(w.t, err)
	for {
		if _, err := w.conn.Write(frame); err != nil {
			return
		}
	}
}

func TestNeverReadingPeersAreStoppedAndClosed(t *testing.T) {
	answer := make([]byte, 128<<10)
	s, addr := startServer(t, ServerConfig{
		MaxPendingBytesPerConn: 256 << 10, StallTimeout: 100 * time.Millisecond,
		Handler: func(c *Call) error {
			if c.Opaque == 1 {
				c.Reply(Reply{Body: answer})
				return nil
			}
			return echo(c)
		},
	})
	healthy := dialWire(t, addr)
	w := dialWire(t, addr)
	stopped := make(chan struct{})
	go func() { defer close(stopped); neverRead(w, &Command{Opaque: 1}) }()
	eventually(t, func() bool { return s.Stats().Pending > 0 }, "output is stuck")
	for closed := false; !closed; {
		healthy.send(request(2, "alive"))
		require.Equal(t, "alive", string(healthy.next().Body))
		require.Less(t, s.Stats().Pending, int64(2<<20))
		select {
		case <-stopped:
			closed = true
		default:
		}
	}
	eventually(t, func() bool { return s.Stats().Pending == 0 && s.Stats().Conns == 1 }, "all is returned")
}

func TestReaderGoesOnWhenThePeerReads(t *testing.T) {
	answer := make([]byte, 256<<10)
	_, addr := startServer(t, ServerConfig{MaxPendingBytesPerConn: 64 << 10, Handler: func(c *Call) error {
		c.Reply(Reply{Body: answer})
		return nil
	}})
	w := dialWire(t, addr)
	const n = 400
	var cmds []*Command
	for i := range int32(n) {
		cmds = append(cmds, &Command{Opaque: i})
	}
	w.send(cmds...)
	for i := range int32(n) {
		got := w.next()
		require.Equal(t, i, got.Opaque)
		require.Len(t, got.Body, len(answer))
	}
}

// TestWritesAfterASlowOneHaveNoDeadline answers more than the socket takes at once,
// which needs a deadline, and once more after that is over.
func TestWritesAfterASlowOneHaveNoDeadline(t *testing.T) {
	const stall = 2 * time.Second
	answer := make([]byte, 12<<20)
	_, addr := startServer(t, ServerConfig{StallTimeout: stall, Handler: func(c *Call) error {
		if c.Opaque == 1 {
			c.Reply(Reply{Body: answer})
			return nil
		}
		return echo(c)
	}})
	w := dialWire(t, addr)
	w.send(&Command{Opaque: 1})
	require.Len(t, w.next().Body, len(answer))
	drained := time.Now()
	eventually(t, func() bool { return time.Since(drained) > stall+100*time.Millisecond }, "the deadline is over")
	w.send(request(2, "later"))
	require.Equal(t, "later", string(w.next().Body))
}

// TestOutputOverflowCloses lets late answers pile up, which no back-pressure on the
// reader can stop.
func TestOutputOverflowCloses(t *testing.T) {
	tickets := make(chan Ticket, 1)
	s, addr := startServer(t, ServerConfig{MaxPendingBytesPerConn: 64 << 10, Handler: func(c *Call) error {
		tickets <- c.Ticket
		return nil
	}})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	tk := <-tickets
	eventually(t, func() bool { return tk.conn.out.quietPhase() }, "the batch is over")
	body := make([]byte, 1<<20)
	for range 100 {
		tk.Reply(Reply{Body: body})
	}
	require.ErrorIs(t, tk.Conn().Oneway(&Command{}), ErrClosed)
	eventually(t, func() bool { return s.Stats().Overflows > 0 && s.Stats().Pending == 0 && s.Stats().Conns == 0 }, "closed")
}

// quietPhase reports whether the reader is outside a batch.
func (o *output) quietPhase() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.phase == phaseIdle
}

func TestThousandsOfPipelinedRequests(t *testing.T) {
	_, addr := startServer(t, ServerConfig{Handler: echo})
	w := dialWire(t, addr)
	const n = 20000
	go func() {
		var out []byte
		for i := range int32(n) {
			out, _ = AppendCommand(out, request(i, "payload"))
		}
		_, _ = w.conn.Write(out)
	}()
	for i := range int32(n) {
		require.Equal(t, i, w.next().Opaque)
	}
}

func TestPanicOutsideHandlersClosesTheConnection(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo, AfterBatch: func(*Conn) { panic("boom") }})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	w.closed()
	require.Equal(t, int64(1), s.Stats().Panics)
}

func TestProxyHeaderThenFramesOrTLS(t *testing.T) {
	cert, err := SelfSigned()
	require.NoError(t, err)
	_, addr := startServer(t, ServerConfig{TLS: cert, Handler: func(c *Call) error {
		h := c.Conn().Proxy()
		if h == nil {
			return echo(c)
		}
		c.Reply(Reply{Remark: h.Source.String() + " " + h.Destination.String()})
		return nil
	}})
	const v1 = "PROXY TCP4 10.1.2.3 10.4.5.6 1234 9876\r\n"
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x04\x05\x06\x04\xd2\x26\x94"
	for _, header := range []string{v1, v2} {
		for _, pause := range []int{0, 1, 5, len(header)} {
			w := dialWire(t, addr)
			w.write([]byte(header[:pause])...)
			frame, err := AppendCommand([]byte(header[pause:]), request(1, ""))
			require.NoError(t, err)
			w.write(frame...)
			require.Equal(t, "10.1.2.3:1234 10.4.5.6:9876", w.next().Remark)
		}
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = io.WriteString(conn, header)
		require.NoError(t, err)
		w := newWire(t, tls.Client(conn, &tls.Config{InsecureSkipVerify: true}))
		w.send(request(1, ""))
		require.Equal(t, "10.1.2.3:1234 10.4.5.6:9876", w.next().Remark)
	}
	huge := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\xff\xff"), make([]byte, 65535)...)
	frame, err := AppendCommand(huge, request(1, "after a huge header"))
	require.NoError(t, err)
	w := dialWire(t, addr)
	w.write(frame...)
	require.Equal(t, int32(1), w.next().Opaque)
}

func FuzzServerInput(f *testing.F) {
	for _, name := range []string{"route_request", "send_request", "send_request_binary", "pull_response"} {
		f.Add(vector(f, name))
	}
	f.Add([]byte("PROXY UNKNOWN\r\n\x00\x00\x00\x06\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		at := 0
		var cmd Command
		var scratch Scratch
		for {
			frame, n, need, err := splitFrame(data[at:], MaxFrame)
			if err != nil || n == 0 {
				require.True(t, err != nil || need > len(data)-at)
				return
			}
			require.Equal(t, int(binary.BigEndian.Uint32(data[at:])), len(frame))
			at += n
			if DecodeCommand(frame, &cmd, &scratch) != nil {
				return
			}
			again, err := AppendCommand(nil, &cmd)
			if err != nil {
				continue
			}
			var back Command
			require.NoError(t, DecodeCommand(again[4:], &back, &Scratch{}))
			require.Equal(t, cmd.Opaque, back.Opaque)
			require.Equal(t, cmd.Code, back.Code)
			require.Equal(t, cmd.Remark, back.Remark)
			require.Equal(t, len(cmd.Ext), len(back.Ext))
			var h testHeader
			_ = Bind(cmd.Ext, &h)
		}
	})
}
