//go:build !linux

package remoting

import (
	"errors"
	"net"
)

// rawSocket is only there on Linux; elsewhere connections are read and written
// through net.Conn.
type rawSocket struct{}

func newRawSocket(net.Conn, *input) *rawSocket { return nil }

func (*rawSocket) read() error { return errors.ErrUnsupported }

func (*rawSocket) write([]byte, bool) (int, error) { return 0, errors.ErrUnsupported }
