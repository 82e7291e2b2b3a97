package fake

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
)

// Handler answers a request. A nil answer is none. ctx ends with the server.
type Handler func(ctx context.Context, req *remoting.Command) *remoting.Command

// Server is one listening process.
type Server struct {
	Addr     string
	listener net.Listener
	group    *run.Group

	mu struct {
		sync.Mutex
		handlers map[protocol.RequestCode]Handler
		seen     []*remoting.Command
		conns    map[net.Conn]bool
	}
}

// NewServer starts a server without handlers on a free port; the test's end
// closes it.
func NewServer(t testing.TB) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), listener: l, group: run.NewGroup(context.WithoutCancel(t.Context()))}
	s.mu.handlers = make(map[protocol.RequestCode]Handler)
	s.mu.conns = make(map[net.Conn]bool)
	s.group.Go("accept", s.accept)
	t.Cleanup(s.Close)
	return s
}

// Handle sets the handler of a verb, in place of an earlier one.
func (s *Server) Handle(code protocol.RequestCode, h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.handlers[code] = h
}

// Seen returns the requests of a verb so far, in the order they came.
func (s *Server) Seen(code protocol.RequestCode) []*remoting.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seen []*remoting.Command
	for _, req := range s.mu.seen {
		if protocol.RequestCode(req.Code) == code {
			seen = append(seen, req)
		}
	}
	return seen
}

// Close closes every connection and waits for every goroutine. It may be called
// more than once.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.group.Cancel()
	s.mu.Lock()
	for conn := range s.mu.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	_ = s.group.Wait() // the goroutines return no errors
}

func (s *Server) accept(context.Context) error {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return nil
		}
		s.mu.Lock()
		s.mu.conns[conn] = true
		s.mu.Unlock()
		s.group.Go("conn", func(ctx context.Context) error {
			s.serve(ctx, conn)
			return nil
		})
	}
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.mu.conns, conn)
		s.mu.Unlock()
	}()
	if ctx.Err() != nil {
		return
	}
	var write sync.Mutex
	for {
		req, err := readCommand(conn)
		if err != nil {
			return
		}
		s.group.Go("request", func(ctx context.Context) error {
			resp := s.answer(ctx, req)
			if resp == nil || req.IsOneway() {
				return nil
			}
			b, err := remoting.AppendCommand(nil, resp)
			if err != nil {
				return nil
			}
			write.Lock()
			defer write.Unlock()
			_, _ = conn.Write(b) // a client that has gone does not matter
			return nil
		})
	}
}

func (s *Server) answer(ctx context.Context, req *remoting.Command) *remoting.Command {
	s.mu.Lock()
	s.mu.seen = append(s.mu.seen, req)
	h := s.mu.handlers[protocol.RequestCode(req.Code)]
	s.mu.Unlock()
	resp := Refuse(protocol.RespRequestCodeNotSupported, "request type not supported")
	if h != nil {
		resp = h(ctx, req)
	}
	if resp != nil {
		resp.Opaque, resp.Flag, resp.Version = req.Opaque, remoting.FlagResponse, protocol.Version
	}
	return resp
}

func readCommand(r io.Reader) (*remoting.Command, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > protocol.MaxFrameBytes {
		return nil, errors.New("frame too long")
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	var cmd remoting.Command
	if err := remoting.DecodeCommand(frame, &cmd, &remoting.Scratch{}); err != nil {
		return nil, err
	}
	return cmd.Clone(), nil
}

// OK is a successful answer with a header (a struct of internal/protocol, or nil)
// and a body.
func OK(header any, body []byte) *remoting.Command {
	resp := &remoting.Command{Body: body}
	if header != nil {
		resp.Ext = remoting.AppendHeader(nil, header, false)
	}
	return resp
}

// JSON is a successful answer with a body in the brokers' dialect.
func JSON(body any) *remoting.Command { return OK(nil, javajson.Marshal(body)) }

// Refuse is an answer with a code and a remark.
func Refuse(code protocol.ResponseCode, remark string) *remoting.Command {
	return &remoting.Command{Code: int32(code), Remark: remark}
}

// Answer is a handler that always gives the same answer.
func Answer(resp *remoting.Command) Handler {
	return func(context.Context, *remoting.Command) *remoting.Command {
		copied := *resp
		return &copied
	}
}

// Never is a handler that does not answer.
func Never(context.Context, *remoting.Command) *remoting.Command { return nil }
