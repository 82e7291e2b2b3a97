package remoting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClientSharesOneConnection(t *testing.T) {
	s, addr := startServer(t, ServerConfig{Handler: echo})
	for _, codec := range []Codec{CodecJSON, CodecBinary} {
		c := startClient(t, ClientConfig{Codec: codec})
		var callers sync.WaitGroup
		for i := range 50 {
			callers.Go(func() {
				for j := range 20 {
					body := fmt.Sprint(i, j)
					got, err := c.Invoke(t.Context(), addr, request(0, body))
					if err != nil || string(got.Body) != body || got.Err() != nil {
						t.Errorf("got %v, %v", got, err)
					}
				}
			})
		}
		callers.Wait()
		require.Len(t, c.Conns(), 1)
		require.Equal(t, addr, c.Conns()[0].Dialed())
	}
	require.Equal(t, int64(2), s.Stats().Accepted)
}

func TestClientAsyncAndOneway(t *testing.T) {
	oneways := make(chan string, 1)
	_, addr := startServer(t, ServerConfig{Handler: func(c *Call) error {
		if c.IsOneway() {
			oneways <- string(c.Body)
		}
		return echo(c)
	}})
	c := startClient(t, ClientConfig{})
	results := make(chan string, 100)
	for i := range 100 { // the first ones before there is a connection
		c.InvokeAsync(addr, request(0, fmt.Sprint(i)), func(cmd *Command, err error) {
			if err != nil {
				results <- err.Error()
				return
			}
			results <- string(cmd.Body)
		})
	}
	seen := map[string]bool{}
	for range 100 {
		seen[<-results] = true
	}
	require.Len(t, seen, 100)
	require.Contains(t, seen, "99")
	require.NoError(t, c.Oneway(t.Context(), addr, request(0, "bye")))
	require.Equal(t, "bye", <-oneways)
}

func TestClientServesPushes(t *testing.T) {
	conns := make(chan *Conn, 1)
	_, addr := startServer(t, ServerConfig{Handler: func(c *Call) error {
		conn := c.Conn()
		select {
		case conns <- conn:
		default:
		}
		return echo(c)
	}})
	closed := make(chan string, 1)
	c := startClient(t, ClientConfig{
		Handler: func(c *Call) error {
			c.Reply(Reply{Remark: "pushed " + c.Conn().Dialed()})
			return nil
		},
		OnClose: func(c *Conn) { closed <- c.String() },
	})
	_, err := c.Invoke(t.Context(), addr, request(0, ""))
	require.NoError(t, err)
	conn := <-conns
	got, err := conn.Invoke(t.Context(), &Command{Code: 307})
	require.NoError(t, err)
	require.Equal(t, "pushed "+addr, got.Remark)
	conn.Close()
	require.Equal(t, addr, <-closed)
	_, err = c.Invoke(t.Context(), addr, request(0, "")) // connects again
	require.NoError(t, err)
}

func TestClientFailsWhatWaitsWhenTheConnectionEnds(t *testing.T) {
	got := make(chan *Conn, 2)
	_, addr := startServer(t, ServerConfig{Handler: func(c *Call) error { got <- c.Conn(); return nil }})
	c := startClient(t, ClientConfig{})
	errs := make(chan error, 2)
	go func() {
		_, err := c.Invoke(t.Context(), addr, request(0, ""))
		errs <- err
	}()
	conn := <-got
	c.InvokeAsync(addr, request(0, ""), func(_ *Command, err error) { errs <- err })
	<-got
	conn.Close()
	require.ErrorIs(t, <-errs, ErrClosed)
	require.ErrorIs(t, <-errs, ErrClosed)
}

func TestClientTimeouts(t *testing.T) {
	_, addr := startServer(t, ServerConfig{Handler: func(*Call) error { return nil }})
	c := startClient(t, ClientConfig{Timeout: 20 * time.Millisecond, MaxCalls: 1})
	_, err := c.Invoke(t.Context(), addr, request(0, ""))
	require.ErrorIs(t, err, ErrTimeout)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	_, err = c.Invoke(ctx, addr, request(0, ""))
	require.Error(t, err)
	errs := make(chan error, 2)
	c.InvokeAsync(addr, request(0, ""), func(_ *Command, err error) { errs <- err })
	c.InvokeAsync(addr, request(0, ""), func(_ *Command, err error) { errs <- err })
	require.ErrorIs(t, <-errs, ErrBusy)
	require.ErrorIs(t, <-errs, ErrTimeout)
}

func TestClientBacksOff(t *testing.T) {
	var dials atomic.Int32
	refused := errors.New("refused")
	c := startClient(t, ClientConfig{Dial: func(context.Context, string) (net.Conn, error) {
		dials.Add(1)
		return nil, refused
	}})
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			_, err := c.Invoke(t.Context(), "broker:1", request(0, ""))
			if !errors.Is(err, refused) {
				t.Errorf("got %v", err)
			}
		})
	}
	callers.Wait()
	require.Less(t, dials.Load(), int32(3))
	n := dials.Load()
	eventually(t, func() bool {
		_, err := c.Invoke(t.Context(), "broker:1", request(0, ""))
		return errors.Is(err, refused) && dials.Load() > n
	}, "another attempt after the back-off")
	done := make(chan error, 1)
	c.InvokeAsync("broker:2", request(0, ""), func(_ *Command, err error) { done <- err })
	require.ErrorIs(t, <-done, refused)
}

func TestClientOverAPipe(t *testing.T) {
	client, server := net.Pipe()
	c := startClient(t, ClientConfig{Dial: func(context.Context, string) (net.Conn, error) { return client, nil }})
	s := NewServer(ServerConfig{Handler: echo})
	_, err := s.Listen("127.0.0.1:0")
	require.NoError(t, err)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(context.Background()) })
	defer func() { s.Close(); served.Wait() }()
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.mu.serving
	}, "serving")
	s.open(server)
	for i := range 100 {
		got, err := c.Invoke(t.Context(), "pipe", request(0, fmt.Sprint(i)))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(got.Body))
	}
	require.Zero(t, c.Conns()[0].RemoteAddr())
}

func TestClientReplaysAfterGoAway(t *testing.T) {
	var first atomic.Pointer[Conn]
	_, addr := startServer(t, ServerConfig{Handler: func(c *Call) error {
		if first.CompareAndSwap(nil, c.Conn()) || first.Load() == c.Conn() {
			return errGoAway
		}
		return echo(c)
	}})
	c := startClient(t, ClientConfig{})
	got, err := c.Invoke(t.Context(), addr, request(0, "again"))
	require.NoError(t, err)
	require.Equal(t, "again", string(got.Body))
	require.Len(t, c.Conns(), 2, "the old one lives until it is idle")
}

func TestClientSigns(t *testing.T) {
	_, addr := startServer(t, ServerConfig{Handler: echo})
	c := startClient(t, ClientConfig{Sign: func(r *Command) { r.Ext = append(r.Ext, Field{"Signature", "s"}) }})
	cmd := request(0, "")
	cmd.Ext = append(make(Fields, 0, 8), cmd.Ext...)
	got, err := c.Invoke(t.Context(), addr, cmd)
	require.NoError(t, err)
	require.Equal(t, Fields{{"k", "v"}, {"Signature", "s"}}, got.Ext)
	require.Len(t, cmd.Ext, 1)
	require.Zero(t, cmd.Ext[:2][1])
}

func TestTLSModes(t *testing.T) {
	cert, err := SelfSigned()
	require.NoError(t, err)
	trusting := &tls.Config{InsecureSkipVerify: true}
	big := make([]byte, 1<<20)
	try := func(t *testing.T, addr string, cfg *tls.Config) error {
		c := startClient(t, ClientConfig{TLS: cfg, Timeout: patience})
		for range 3 {
			got, err := c.Invoke(t.Context(), addr, &Command{Code: 1, Body: big})
			if err != nil {
				return err
			}
			require.Len(t, got.Body, len(big))
			require.Equal(t, cfg != nil, c.Conns()[0].TLS())
		}
		return nil
	}
	for mode, want := range map[TLSMode]struct{ plain, encrypted bool }{
		TLSPermissive: {true, true}, TLSDisabled: {true, false}, TLSEnforcing: {false, true},
	} {
		_, addr := startServer(t, ServerConfig{Handler: echo, TLS: cert, TLSMode: mode})
		require.Equal(t, want.plain, try(t, addr, nil) == nil, "plain, mode %d", mode)
		require.Equal(t, want.encrypted, try(t, addr, trusting) == nil, "TLS, mode %d", mode)
	}
	_, addr := startServer(t, ServerConfig{Handler: echo, TLS: cert})
	require.Error(t, try(t, addr, &tls.Config{}), "an unknown issuer")
	_, addr = startServer(t, ServerConfig{Handler: echo})
	require.Error(t, try(t, addr, trusting), "no certificate")
	_, err = NewServer(ServerConfig{TLSMode: TLSEnforcing}).Listen("127.0.0.1:0")
	require.Error(t, err)
}

func TestClientClose(t *testing.T) {
	_, addr := startServer(t, ServerConfig{Handler: func(*Call) error { return nil }})
	c := NewClient(ClientConfig{})
	failed := make(chan error, 1)
	c.InvokeAsync(addr, request(0, ""), func(_ *Command, err error) { failed <- err })
	c.Close()
	require.Error(t, <-failed)
	_, err := c.Invoke(t.Context(), addr, request(0, ""))
	require.ErrorIs(t, err, ErrClosed)
	c.InvokeAsync(addr, request(0, ""), func(_ *Command, err error) { failed <- err })
	require.ErrorIs(t, <-failed, ErrClosed)
	require.ErrorIs(t, c.Oneway(t.Context(), addr, request(0, "")), ErrClosed)
	c.Close()
}

func TestPeersAreForgotten(t *testing.T) {
	c := startClient(t, ClientConfig{Dial: func(context.Context, string) (net.Conn, error) { return nil, errors.New("no") }})
	for i := range 2 * keepPeers {
		c.peer(fmt.Sprint(i))
	}
	require.LessOrEqual(t, len(c.mu.peers), keepPeers)
}
