package remoting

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/aerobee/aerobee/internal/remoting/proxyproto"
)

// TLSMode says whether a server's port takes encrypted connections, plain ones or
// both (Java's tls.server.mode).
type TLSMode uint8

// TLS modes. Java's default, and the zero value, is permissive.
const (
	TLSPermissive TLSMode = iota // both
	TLSDisabled                  // a TLS hello closes the connection
	TLSEnforcing                 // a plain frame closes the connection
)

// First bytes of what may come on a port. None can be the first byte of a frame: that
// is its length, and they would make it more than 200 MiB.
const (
	firstTLS     = 0x16
	firstProxyV1 = 'P'
	firstProxyV2 = 0x0d
)

// sniff reads the first byte, an optional PROXY header and a TLS handshake. Java
// waits for 12 bytes before it decides; one is enough.
func (c *Conn) sniff() error {
	first, err := c.first()
	if err != nil {
		return err
	}
	if first == firstProxyV1 || first == firstProxyV2 {
		if err := c.readProxy(); err != nil {
			return err
		}
		if first, err = c.first(); err != nil {
			return err
		}
	}
	mode := c.ep.cfg.tlsMode
	if first != firstTLS {
		if mode == TLSEnforcing {
			return malformed("plain connection, TLS is enforced")
		}
		return nil
	}
	if mode == TLSDisabled || c.ep.cfg.tls == nil {
		return malformed("TLS connection, TLS is disabled")
	}
	seen := bytes.Clone(c.in.pending())
	c.in.drop()
	c.in.at = 0
	c.in.partial.Store(0)
	return c.handshake(c.ep.group.Context(), tls.Server(&seenConn{Conn: c.base, seen: seen}, c.ep.cfg.tls))
}

// first waits for a byte and returns it without taking it.
func (c *Conn) first() (byte, error) {
	for len(c.in.pending()) == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	return c.in.pending()[0], nil
}

func (c *Conn) readProxy() error {
	for {
		header, n, err := proxyproto.Parse(c.in.pending())
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if n > 0 {
			c.proxy = header
			c.in.at, c.in.need = c.in.at+n, 0
			c.in.compact()
			return nil
		}
		c.in.need = proxyproto.MaxHeader
		c.in.compact()
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// seenConn returns bytes that were read already before those of the connection.
type seenConn struct {
	net.Conn
	seen []byte
}

func (c *seenConn) Read(p []byte) (int, error) {
	if len(c.seen) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.seen)
	c.seen = c.seen[n:]
	return n, nil
}
