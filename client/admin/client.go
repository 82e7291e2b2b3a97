package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
)

// Client sends administrative requests. Make it with New and Close it.
type Client struct {
	cluster *cluster.Cluster
	timeout time.Duration
	tls     *tls.Config
}

// Option configures a Client.
type Option func(*config)

type config struct {
	nameservers []string
	logger      *slog.Logger
	tls         *tls.Config
	timeout     time.Duration
}

// WithNameservers says where the nameservers are, as host:port. Questions go to
// one that answers, changes to all. There is no default.
func WithNameservers(addrs ...string) Option {
	return func(c *config) { c.nameservers = addrs }
}

// WithLogger sets where connection trouble is reported. Default: nowhere.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) { c.logger = l }
}

// WithTLS makes every connection use TLS. Default: plain TCP.
func WithTLS(t *tls.Config) Option {
	return func(c *config) { c.tls = t }
}

// WithTimeout bounds each request. Default 5 s, at least 10 ms.
func WithTimeout(d time.Duration) Option {
	return func(c *config) { c.timeout = d }
}

// New returns a Client. It connects on first use.
func New(opts ...Option) (*Client, error) {
	cfg := config{logger: slog.New(slog.DiscardHandler), timeout: 5 * time.Second}
	for _, o := range opts {
		o(&cfg)
	}
	if cfg.timeout < 10*time.Millisecond {
		return nil, fmt.Errorf("admin: WithTimeout: %v, must be at least 10ms", cfg.timeout)
	}
	c, err := cluster.New(cluster.Config{
		Nameservers: cfg.nameservers, RequestTimeout: cfg.timeout,
		Remoting: remoting.ClientConfig{Logger: cfg.logger, TLS: cfg.tls},
	})
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return &Client{cluster: c, timeout: cfg.timeout, tls: cfg.tls}, nil
}

// Nameservers returns the addresses the client was made with.
func (c *Client) Nameservers() []string { return c.cluster.Nameservers() }

// Close closes every connection. It returns nil; the error is for io.Closer.
func (c *Client) Close() error {
	c.cluster.Close()
	return nil
}

// call sends a request to a broker, with a timeout of its own.
func (c *Client) call(ctx context.Context, addr string, req cluster.Request) (*remoting.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.cluster.Call(ctx, addr, req)
	if err != nil {
		return nil, fmt.Errorf("broker %w", err)
	}
	return resp, nil
}

// ask sends a request to a broker and decodes the answer's body.
func ask[T any](ctx context.Context, c *Client, addr string, req cluster.Request) (T, error) {
	var body T
	resp, err := c.call(ctx, addr, req)
	if err != nil {
		return body, err
	}
	return body, cluster.DecodeBody("broker "+addr, resp, &body)
}

// askNamesrv sends a request to a nameserver and decodes the answer's body.
func askNamesrv[T any](ctx context.Context, c *Client, req cluster.Request) (T, error) {
	var body T
	resp, err := c.cluster.CallNamesrv(ctx, req)
	if err != nil {
		return body, err
	}
	return body, cluster.DecodeBody("nameserver", resp, &body)
}

// jsonBody encodes a request body in the brokers' dialect.
func jsonBody(v any) []byte { return javajson.Marshal(v) }

// is tells whether an error is a server's answer with a code.
func is(err error, code protocol.ResponseCode) bool {
	return errors.Is(err, &protocol.Error{Code: code})
}

// parallelism bounds the requests of a listing that asks once per topic or
// group.
const parallelism = 8

// forEach calls f for every item, up to parallelism at a time, and waits. f
// keeps its own errors; the order of the calls is not defined.
func forEach[T any](ctx context.Context, items []T, f func(ctx context.Context, i int, item T)) error {
	g := run.NewGroup(ctx)
	next := make(chan int)
	for range min(parallelism, len(items)) {
		g.Go("request", func(ctx context.Context) error {
			for i := range next {
				f(ctx, i, items[i])
			}
			return nil
		})
	}
	for i := range items {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
