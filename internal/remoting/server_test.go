package remoting

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

func TestServerAnswersEveryRequestOnce(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: func(c *Call) error {
		switch c.Code {
		case 1:
			return protocol.Errorf(protocol.RespTopicNotExist, "no topic %q", "x")
		case 2:
			return errors.New("disk on fire")
		case 3:
			panic("boom")
		case 4:
			return NotSupported(c)
		}
		return echo(c)
	}})
	w := dialWire(t, addr)
	var cmds []*Command
	for code := range int32(6) {
		cmds = append(cmds, &Command{Code: code, Opaque: -code, Version: 317, Language: protocol.LanguageGo})
	}
	cmds = append(cmds, &Command{Code: 1, Opaque: 50, Flag: FlagOneway}, &Command{Code: 99, Opaque: 51, Flag: FlagResponse}, request(52, "last"))
	w.send(cmds...)
	want := []struct {
		code   protocol.ResponseCode
		remark string
	}{
		{protocol.RespSuccess, ""},
		{protocol.RespTopicNotExist, `no topic "x"`},
		{protocol.RespSystemError, "disk on fire"},
		{protocol.RespSystemError, errPanic.Remark},
		{protocol.RespRequestCodeNotSupported, " request type 4 not supported"},
		{protocol.RespSuccess, ""},
	}
	for i, r := range want {
		got := w.next()
		require.Equal(t, int32(-i), got.Opaque)
		require.Equal(t, int32(r.code), got.Code)
		require.Equal(t, r.remark, got.Remark)
		require.Equal(t, FlagResponse, got.Flag)
		require.Equal(t, int32(513), got.Version)
		require.Equal(t, protocol.LanguageJava, got.Language)
	}
	last := w.next()
	require.Equal(t, int32(52), last.Opaque)
	require.Equal(t, "last", string(last.Body))
	require.Equal(t, Fields{{"k", "v"}}, last.Ext)
	require.Equal(t, int64(1), s.Stats().Panics)
	require.Equal(t, int64(9), s.Stats().Frames)
}

func TestReplyBytesAreJavas(t *testing.T) {
	_, addr := startServer(t, ServerConfig{Handler: func(c *Call) error {
		switch c.Code {
		case 0:
			c.Reply(Reply{})
		case 1:
			c.Reply(Reply{EmptyExt: true, Remark: "a\"b\\\n\x01/<é"})
		case 2:
			c.Reply(Reply{Header: &protocol.SendMessageRequest{}, Ext: []Field{{"x", "y"}}})
		case 3:
			c.Reply(Reply{Header: new(int)})
		}
		return nil
	}})
	w := dialWire(t, addr)
	header := func(code int32) string {
		w.send(&Command{Code: code})
		var size [8]byte
		_, err := w.in.Read(size[:])
		require.NoError(t, err)
		b := make([]byte, int(size[2])<<8|int(size[3])-4)
		_, err = w.in.Read(b)
		require.NoError(t, err)
		return string(b)
	}
	const tail = `,"serializeTypeCurrentRPC":"JSON","version":513}`
	require.Equal(t, `{"code":0,"flag":1,"language":"JAVA","opaque":0`+tail, header(0))
	require.Equal(t, `{"code":0,"extFields":{},"flag":1,"language":"JAVA","opaque":0,"remark":"a\"b\\\n\u0001/<é"`+tail, header(1))
	require.Equal(t, `{"code":0,"extFields":{"producerGroup":"","topic":"","defaultTopicQueueNums":"0","queueId":"0","sysFlag":"0",`+
		`"bornTimestamp":"0","flag":"0","reconsumeTimes":"0","unitMode":"false","batch":"false","x":"y"},"flag":1,"language":"JAVA","opaque":0`+tail, header(2))
	require.Contains(t, header(3), `"remark":"header *int: not a struct`)
}

func TestBinaryServer(t *testing.T) {
	_, addr := startServer(t, ServerConfig{Codec: CodecBinary, Handler: func(c *Call) error {
		c.Reply(Reply{Code: protocol.ResponseCode(c.Code), Header: &testHeader{Topic: "t", QueueID: 3}, Body: c.Body})
		return nil
	}})
	w := dialWire(t, addr)
	w.send(&Command{Code: 5, Opaque: 1, Body: []byte("b")}, &Command{Code: 70000, Opaque: 2})
	got := w.next()
	require.Equal(t, CodecBinary, got.Codec)
	require.Equal(t, Fields{{"topic", "t"}, {"queueId", "3"}, {"offset", "0"}, {"flag", "false"}}, got.Ext)
	got = w.next() // cannot be encoded: said in JSON
	require.Equal(t, CodecJSON, got.Codec)
	require.Equal(t, int32(2), got.Opaque)
	require.Equal(t, int32(protocol.RespSystemError), got.Code)
}

func TestOneWritePerBatch(t *testing.T) {
	var queued []Ticket
	batches := 0
	_, addr := startServer(t, ServerConfig{
		Handler: func(c *Call) error {
			if c.Code == 1 {
				queued = append(queued, c.Ticket)
				return nil
			}
			return echo(c)
		},
		AfterBatch: func(c *Conn) {
			batches++
			for _, q := range queued {
				q.Queue(Reply{Remark: fmt.Sprint(batches)})
			}
			queued = nil
		},
	})
	w := dialWire(t, addr)
	var cmds []*Command
	for i := range int32(50) {
		cmds = append(cmds, &Command{Code: i % 2, Opaque: i})
	}
	w.send(cmds...)
	seen := map[int32]bool{}
	for range cmds {
		got := w.next()
		require.False(t, seen[got.Opaque])
		seen[got.Opaque] = true
	}
	require.Len(t, seen, len(cmds))
}

func TestTicketsAnswerFromAnywhere(t *testing.T) {
	tickets := make(chan Ticket, 1000)
	_, addr := startServer(t, ServerConfig{Handler: func(c *Call) error {
		tickets <- c.Ticket
		return nil
	}})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for tk := range tickets {
				tk.Queue(Reply{Remark: "late"})
				tk.Conn().Flush()
			}
		})
	}
	w := dialWire(t, addr)
	var cmds []*Command
	for i := range int32(1000) {
		cmds = append(cmds, request(i, "x"))
	}
	w.send(cmds...)
	seen := map[int32]bool{}
	for range cmds {
		seen[w.next().Opaque] = true
	}
	require.Len(t, seen, len(cmds))
	close(tickets)
	workers.Wait()
}

func TestFlushDuringAfterBatchWritesAtOnce(t *testing.T) {
	release := make(chan struct{})
	var ticket Ticket
	_, addr := startServer(t, ServerConfig{
		Handler: func(c *Call) error { ticket = c.Ticket; return nil },
		AfterBatch: func(c *Conn) {
			ticket.Queue(Reply{})
			c.Flush()
			<-release
		},
	})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	require.Equal(t, int32(1), w.next().Opaque) // while AfterBatch still runs
	close(release)
}

func TestDetach(t *testing.T) {
	started, release := make(chan struct{}, 8), make(chan struct{})
	_, addr := startServer(t, ServerConfig{Workers: 2, WorkerQueue: 1, Handler: func(c *Call) error {
		c.Detach(func(ctx context.Context, c *Call) error {
			started <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
			switch c.Code {
			case 1:
				return protocol.Errorf(protocol.RespNoMessage, "gone")
			case 2:
				panic("boom")
			}
			return echo(c)
		})
		return nil
	}})
	w := dialWire(t, addr)
	w.send(&Command{Code: 0, Opaque: 10, Body: []byte("kept"), Ext: Fields{{"a", "b"}}})
	<-started
	w.send(&Command{Code: 1, Opaque: 11})
	<-started
	w.send(&Command{Code: 2, Opaque: 12}, request(13, ""))
	busy := w.next()
	require.Equal(t, int32(13), busy.Opaque)
	require.Equal(t, int32(protocol.RespSystemBusy), busy.Code)
	require.Equal(t, "[OVERLOAD]system busy, start flow control for a while", busy.Remark)
	close(release)
	got := map[int32]*Command{}
	for range 3 {
		c := w.next()
		got[c.Opaque] = c
	}
	require.Equal(t, "kept", string(got[10].Body))
	require.Equal(t, Fields{{"a", "b"}}, got[10].Ext)
	require.Equal(t, "gone", got[11].Remark)
	require.Equal(t, errPanic.Remark, got[12].Remark)
}

func TestServerInvokesClient(t *testing.T) {
	type result struct {
		cmd *Command
		err error
	}
	results := make(chan result, 1)
	s, addr := startServer(t, ServerConfig{MaxCalls: 1, Handler: func(c *Call) error {
		conn := c.Conn()
		c.Detach(func(ctx context.Context, c *Call) error {
			cmd, err := conn.Invoke(ctx, &Command{Code: 307, Body: []byte("how are you")})
			results <- result{cmd, err}
			c.Reply(Reply{})
			return nil
		})
		return nil
	}})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	push := w.next()
	require.Equal(t, int32(307), push.Code)
	require.Zero(t, push.Flag)
	conn := s.Conns()[0]
	_, err := conn.Invoke(t.Context(), &Command{Code: 1})
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, conn.Oneway(&Command{Code: 40}))
	require.Equal(t, FlagOneway, w.next().Flag)
	w.send(&Command{Code: 5, Flag: FlagResponse, Opaque: push.Opaque + 1000}, &Command{Code: 5, Flag: FlagResponse, Opaque: push.Opaque, Body: []byte("fine")})
	r := <-results
	require.NoError(t, r.err)
	require.Equal(t, "fine", string(r.cmd.Body))
	require.Error(t, r.cmd.Err())
	require.Equal(t, int32(1), w.next().Opaque)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = conn.Invoke(ctx, &Command{Code: 307})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	failed := make(chan error, 1)
	conn.InvokeAsync(&Command{Code: 307}, func(_ *Command, err error) { failed <- err })
	_ = w.conn.Close()
	require.ErrorIs(t, <-failed, ErrClosed)
	_, err = conn.Invoke(t.Context(), &Command{Code: 307})
	require.ErrorIs(t, err, ErrClosed)
}

func TestCallsTimeOut(t *testing.T) {
	s, addr := startServer(t, ServerConfig{CallTimeout: 20 * time.Millisecond, Handler: echo})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	w.next()
	_, err := s.Conns()[0].Invoke(t.Context(), &Command{Code: 307})
	require.ErrorIs(t, err, ErrTimeout)
}

func TestShutdownAnswersWhatWasRead(t *testing.T) {
	tickets := make(chan Ticket, 10)
	s, addr := startServer(t, ServerConfig{Handler: func(c *Call) error { tickets <- c.Ticket; return nil }})
	idle := dialWire(t, addr)
	w := dialWire(t, addr)
	w.send(request(1, ""), request(2, ""))
	first, second := <-tickets, <-tickets
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	eventually(t, func() bool { return s.ep.quiescing.Load() }, "shutdown begins")
	second.Reply(Reply{})
	require.Equal(t, int32(2), w.next().Opaque)
	select {
	case err := <-done:
		t.Fatalf("shutdown did not wait: %v", err)
	default:
	}
	first.Reply(Reply{})
	require.Equal(t, int32(1), w.next().Opaque)
	require.NoError(t, <-done)
	w.closed()
	idle.closed()
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)
	require.Error(t, s.Serve(t.Context()))
}

func TestShutdownGivesUp(t *testing.T) {
	got := make(chan struct{})
	s, addr := startServer(t, ServerConfig{Handler: func(*Call) error { close(got); return nil }})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	<-got
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	w.closed()
}

func TestGoAway(t *testing.T) {
	s, addr := startServer(t, ServerConfig{GoAway: true, Handler: echo})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	w.next()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	eventually(t, s.ep.leaving.Load, "shutdown begins")
	w.send(&Command{Opaque: 2, Version: 513}, &Command{Opaque: 3, Version: 475})
	away := w.next()
	require.Equal(t, int32(protocol.RespGoAway), away.Code)
	require.Equal(t, "please go away", away.Remark)
	require.Equal(t, int32(protocol.RespSuccess), w.next().Code)
	_ = w.conn.Close()
	require.NoError(t, <-done)
}

func TestOpenAndClose(t *testing.T) {
	var opened, closed atomic.Int32
	s, addr := startServer(t, ServerConfig{
		Handler: echo, MaxConns: 1,
		OnOpen:  func(c *Conn) { opened.Add(1); c.SetValue("mine") },
		OnClose: func(c *Conn) { closed.Add(1) },
	})
	w := dialWire(t, addr)
	w.send(request(1, ""))
	w.next()
	c := s.Conns()[0]
	require.Equal(t, "mine", c.Value())
	require.Equal(t, w.conn.LocalAddr().String(), c.RemoteAddr().String())
	require.Equal(t, addr, c.LocalAddr().String())
	require.NotZero(t, c.ID())
	require.True(t, c.Writable())
	dialWire(t, addr).closed() // MaxConns
	require.Equal(t, int64(1), s.Stats().Refused)
	c.Close()
	w.closed()
	eventually(t, func() bool { return closed.Load() == 1 }, "OnClose")
	require.Equal(t, int32(1), opened.Load())
	w2 := dialWire(t, addr)
	w2.send(request(1, ""))
	w2.next()
}

func TestObserve(t *testing.T) {
	type seen struct {
		code protocol.RequestCode
		resp protocol.ResponseCode
	}
	observed := make(chan seen, 4)
	_, addr := startServer(t, ServerConfig{
		Handler: func(c *Call) error {
			if c.Code == 1 {
				return NotSupported(c)
			}
			return nil
		},
		Observe: func(code protocol.RequestCode, resp protocol.ResponseCode, took time.Duration) {
			if took > 0 {
				observed <- seen{code, resp}
			}
		},
	})
	w := dialWire(t, addr)
	w.send(&Command{Code: 1}, &Command{Code: 2, Flag: FlagOneway})
	require.Equal(t, seen{1, protocol.RespRequestCodeNotSupported}, <-observed)
	require.Equal(t, seen{2, protocol.RespSuccess}, <-observed)
}

func TestLargeFramesBothWays(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo})
	w := dialWire(t, addr)
	body := strings.Repeat("0123456789abcdef", 1<<20-100) // just below 16 MiB
	for _, n := range []int{1 << 10, 100 << 10, 1 << 20, len(body), 10} {
		w.send(request(1, body[:n]), request(2, "small"))
		require.Equal(t, n, len(w.next().Body))
		require.Equal(t, "small", string(w.next().Body))
	}
	eventually(t, func() bool { return s.Stats().Pending == 0 }, "the budget is returned")
}
