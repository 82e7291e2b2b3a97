package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// port is one listening port.
type port struct {
	server *remoting.Server
	addr   netip.AddrPort
}

// serve serves a port until it is shut down.
func (p port) serve(ctx context.Context) error {
	if p.server == nil {
		return nil
	}
	if err := p.server.Serve(ctx); !errors.Is(err, remoting.ErrClosed) {
		return err
	}
	return nil // stopped before it began
}

// ports are the main port and the fast one, which may be missing.
type ports struct {
	main, fast port
}

// portAttempts is how many ports are tried when any will do: the one two below
// must be free as well.
const portAttempts = 64

// listen opens the main and the fast port. The fast port is two below the main
// one, as clients expect; a main port without room for it has none.
func (b *Broker) listen(context.Context) error {
	cfg := b.config()
	wanted := cfg.ListenPort
	attempts := 1
	if wanted == 0 {
		attempts = portAttempts
	}
	var err error
	for range attempts {
		if err = b.listenBoth(cfg.BindAddress, wanted); err == nil {
			return nil
		}
	}
	return fmt.Errorf("listenPort %d: %w", wanted, err)
}

func (b *Broker) listenBoth(host string, wanted int) error {
	m, err := b.open(host, wanted, b.dispatcher(false))
	if err != nil {
		return err
	}
	b.ports.main = m
	fast := int(m.addr.Port()) + protocol.FastPortOffset
	if fast <= 0 {
		return nil
	}
	if b.ports.fast, err = b.open(host, fast, b.dispatcher(true)); err != nil {
		m.server.Close()
		b.ports = ports{}
		return fmt.Errorf("fast port: %w", err)
	}
	return nil
}

func (b *Broker) open(host string, wanted int, serve remoting.Handler) (port, error) {
	cfg := b.config()
	server := remoting.NewServer(remoting.ServerConfig{
		Logger:      b.log,
		Handler:     serve,
		AfterBatch:  func(*remoting.Conn) { b.store.Commit() },
		OnClose:     b.connClosed,
		IdleTimeout: cfg.ServerMaxIdle,
		Observe:     b.metrics.observe,
	})
	addr, err := server.Listen(net.JoinHostPort(host, strconv.Itoa(wanted)))
	if err != nil {
		server.Close()
		return port{}, err
	}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		server.Close()
		return port{}, errors.New("not a TCP address: " + addr.String())
	}
	return port{server, tcp.AddrPort()}, nil
}

// connClosed forgets a connection.
func (b *Broker) connClosed(conn *remoting.Conn) {
	b.trafficClosed(conn)
	b.apply(b.clients.CloseChannel(conn.ID()), b.config().LockGrace)
}
