package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// DefaultRequestTimeout bounds a request whose context has no deadline, as in
// Java's clients.
const DefaultRequestTimeout = 3 * time.Second

// Config is what a Cluster needs.
type Config struct {
	Nameservers    []string // host:port, at least one
	Logger         *slog.Logger
	RequestTimeout time.Duration // for a context without a deadline
	Remoting       remoting.ClientConfig
}

// Cluster sends requests to the nameservers and brokers of one installation.
type Cluster struct {
	nameservers []string
	current     atomic.Int32 // index of the nameserver that answered last
	timeout     time.Duration
	remoting    *remoting.Client
}

// New returns a Cluster. It connects on first use. Close it.
func New(c Config) (*Cluster, error) {
	if len(c.Nameservers) == 0 {
		return nil, errors.New("no nameserver address is given")
	}
	for _, addr := range c.Nameservers {
		if !strings.Contains(addr, ":") {
			return nil, fmt.Errorf("nameserver address %q: must be host:port", addr)
		}
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = DefaultRequestTimeout
	}
	return &Cluster{
		nameservers: slices.Clone(c.Nameservers),
		timeout:     c.RequestTimeout,
		remoting:    remoting.NewClient(c.Remoting),
	}, nil
}

// Nameservers returns the addresses in the order given.
func (c *Cluster) Nameservers() []string { return slices.Clone(c.nameservers) }

// Close closes every connection and waits for what belongs to them.
func (c *Cluster) Close() { c.remoting.Close() }

// Request is a request in typed form.
type Request struct {
	Code   protocol.RequestCode
	Header any             // pointer to a header struct of internal/protocol, or nil
	Short  bool            // one-letter field names
	Ext    remoting.Fields // further fields
	Body   []byte
	Accept []protocol.ResponseCode // codes beside success that are not errors
}

func (r *Request) command() *remoting.Command {
	cmd := &remoting.Command{
		Code: int32(r.Code), Language: protocol.LanguageGo, Version: protocol.Version,
		Ext: slices.Clone(r.Ext), Body: r.Body, Codec: remoting.CodecJSON,
	}
	if r.Header != nil {
		cmd.Ext = remoting.AppendHeader(cmd.Ext, r.Header, r.Short)
	}
	return cmd
}

func (r *Request) check(resp *remoting.Command) error {
	code := protocol.ResponseCode(resp.Code)
	if code == protocol.RespSuccess || slices.Contains(r.Accept, code) {
		return nil
	}
	return &protocol.Error{Code: code, Remark: firstLine(resp.Remark)}
}

// firstLine drops what servers append to a remark: a link to a FAQ.
func firstLine(remark string) string {
	line, _, _ := strings.Cut(remark, "\n")
	return strings.TrimSpace(line)
}

// Call sends a request to a server and waits for its answer. An error names
// the server.
func (c *Cluster) Call(ctx context.Context, addr string, req Request) (*remoting.Command, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	resp, err := c.remoting.Invoke(ctx, addr, req.command())
	if err == nil {
		err = req.check(resp)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return resp, nil
}

// CallAsync is Call without the wait; done is called once, on a goroutine of
// the connection, and must not block.
func (c *Cluster) CallAsync(addr string, req Request, done func(*remoting.Command, error)) {
	c.remoting.InvokeAsync(addr, req.command(), func(resp *remoting.Command, err error) {
		if err == nil {
			err = req.check(resp)
		}
		if err != nil {
			done(nil, fmt.Errorf("%s: %w", addr, err))
			return
		}
		done(resp, nil)
	})
}

// Oneway sends a request that has no answer.
func (c *Cluster) Oneway(ctx context.Context, addr string, req Request) error {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	if err := c.remoting.Oneway(ctx, addr, req.command()); err != nil {
		return fmt.Errorf("%s: %w", addr, err)
	}
	return nil
}

func (c *Cluster) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}

// CallNamesrv asks one nameserver: the one that answered last time, and then
// the others in turn while there is no answer. An answer that is an error
// response ends the search, since all nameservers know the same.
func (c *Cluster) CallNamesrv(ctx context.Context, req Request) (*remoting.Command, error) {
	start := int(c.current.Load())
	var errs []error
	for i := range c.nameservers {
		n := (start + i) % len(c.nameservers)
		// Each one gets its own timeout: a silent nameserver must not use up
		// the time of those that would answer.
		resp, err := c.callWithin(ctx, c.nameservers[n], req)
		var refused *protocol.Error
		if err == nil || errors.As(err, &refused) {
			c.current.Store(int32(n))
			if err != nil {
				return nil, fmt.Errorf("nameserver %w", err)
			}
			return resp, nil
		}
		errs = append(errs, fmt.Errorf("nameserver %w", err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, Join(errs...)
}

func (c *Cluster) callWithin(ctx context.Context, addr string, req Request) (*remoting.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Call(ctx, addr, req)
}

// CallEveryNamesrv sends a change to every nameserver, because they do not tell
// each other. It tries all and reports those that failed.
func (c *Cluster) CallEveryNamesrv(ctx context.Context, req Request) ([]*remoting.Command, error) {
	var errs []error
	answers := make([]*remoting.Command, len(c.nameservers))
	for i, addr := range c.nameservers {
		resp, err := c.callWithin(ctx, addr, req)
		if err != nil {
			errs = append(errs, fmt.Errorf("nameserver %w", err))
		}
		answers[i] = resp
	}
	return answers, Join(errs...)
}

// Bind fills a response header and names the server when that fails.
func Bind(addr string, resp *remoting.Command, header any) error {
	if err := remoting.Bind(resp.Ext, header); err != nil {
		return fmt.Errorf("%s: %w", addr, err)
	}
	return nil
}

// DecodeBody reads a response body and names the server when that fails.
func DecodeBody(addr string, resp *remoting.Command, body any) error {
	if err := javajson.Unmarshal(resp.Body, body); err != nil {
		return fmt.Errorf("%s: response body: %w", addr, err)
	}
	return nil
}
