package remoting

import (
	"io"
	"net"
	"syscall"
)

// rawSocket reads and writes a socket without Go's blocking in between: a write that
// would wait returns, and a read takes its buffer only when there are bytes. Its
// closures are made once, so that neither allocates.
type rawSocket struct {
	conn            syscall.RawConn
	readFn, writeFn func(fd uintptr) bool
	in              *input

	// Of the current write; owned by the flusher.
	out  []byte
	n    int
	err  error
	wait bool

	readErr error // of the current read; owned by the reader
}

// newRawSocket returns nil if c is no plain socket.
func newRawSocket(c net.Conn, in *input) *rawSocket {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	conn, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &rawSocket{conn: conn, in: in}
	s.readFn, s.writeFn = s.readable, s.writable
	return s
}

// read waits for bytes and appends them to the input.
func (s *rawSocket) read() error {
	s.readErr = nil
	if err := s.conn.Read(s.readFn); err != nil {
		return err
	}
	return s.readErr
}

func (s *rawSocket) readable(fd uintptr) bool {
	free := s.in.room()
	for {
		n, err := socketRead(fd, free)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			s.readErr = s.in.park()
			return s.readErr != nil
		case err != nil:
			s.readErr = err
			return true
		case n == 0:
			s.readErr = io.EOF
			return true
		default:
			s.in.received(n)
			return true
		}
	}
}

// write sends what the socket takes of b without waiting; with wait it waits until it
// takes something, or for the write deadline.
func (s *rawSocket) write(b []byte, wait bool) (int, error) {
	s.out, s.n, s.err, s.wait = b, 0, nil, wait
	err := s.conn.Write(s.writeFn)
	s.out = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

func (s *rawSocket) writable(fd uintptr) bool {
	for s.n < len(s.out) {
		n, err := socketWrite(fd, s.out[s.n:])
		switch {
		case n > 0:
			s.n += n
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return !s.wait || s.n > 0
		case err != nil:
			s.err = err
			return true
		default:
			s.err = io.ErrUnexpectedEOF
			return true
		}
	}
	return true
}
