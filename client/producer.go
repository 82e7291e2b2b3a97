package client

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
)

// Producer sends messages. Make it with NewProducer and Close it. It may be used
// by any number of goroutines.
type Producer struct {
	cfg      producerConfig
	clientID string
	cluster  *cluster.Cluster
	routes   *cluster.Routes
	ids      *message.UniqIDs
	group    *run.Group
	turn     atomic.Uint32 // which queue is next

	slots   chan struct{} // holds one element for each message being sent
	closing chan struct{}
	close   sync.Once
}

// NewProducer returns a producer of a group. The group's name appears at the
// brokers; producers of one application share it. The producer works until
// Close; when ctx ends, what it does in the background ends. It connects on
// first use. An error names every option that is out of range.
func NewProducer(ctx context.Context, group string, opts ...ProducerOption) (*Producer, error) {
	cfg, err := newProducerConfig(group, opts)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(&cfg.config, cfg.sendTimeout, nil)
	if err != nil {
		return nil, fmt.Errorf("producer: %w", err)
	}
	host := localAddr()
	p := &Producer{
		cfg: cfg, clientID: clientID(host, cfg.instance), cluster: c,
		routes: cluster.NewRoutes(c, cfg.logger, cfg.routeRefresh),
		ids:    message.NewUniqIDs(host),
		group:  run.NewGroup(ctx),
		slots:  make(chan struct{}, cfg.inFlight), closing: make(chan struct{}),
	}
	p.turn.Store(uint32(time.Now().UnixNano()))
	p.group.Go("routes", func(ctx context.Context) error { return p.routes.Run(ctx, p.heartbeat) })
	return p, nil
}

// localAddr is this host's address as it goes into ids: the first IPv4 address
// that is not loopback, as far as there is one.
func localAddr() netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
				return p.Addr()
			}
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// clientID is how brokers tell clients apart, in Java's form.
func clientID(host netip.Addr, instance string) string {
	if instance == "" {
		instance = strconv.Itoa(os.Getpid()) + "#" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return host.String() + "@" + instance
}

// ClientID is the id under which brokers list this producer.
func (p *Producer) ClientID() string { return p.clientID }

// Queues lists the queues of a topic that messages can be sent to. A topic that
// the first message will create has the queues that it is going to have.
func (p *Producer) Queues(ctx context.Context, topic string) ([]Queue, error) {
	route, err := p.routes.TopicForSend(ctx, topic)
	if err != nil {
		return nil, err
	}
	return queuesOf(route.Publish), nil
}

// begin claims a slot for one send.
func (p *Producer) begin(ctx context.Context) error {
	select {
	case <-p.closing:
		return ErrClosed
	default:
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-p.closing:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *Producer) end() { <-p.slots }

// Close waits for the messages that are being sent, tells the brokers goodbye,
// and releases everything. It returns nil; the error is for io.Closer. It may be
// called more than once.
func (p *Producer) Close() error {
	p.close.Do(func() {
		close(p.closing)
		for range cap(p.slots) {
			p.slots <- struct{}{}
		}
		p.group.Cancel()
		if err := p.group.Wait(); err != nil {
			p.cfg.logger.Error("producer ended with an error", "error", err)
		}
		p.unregister()
		p.cluster.Close()
	})
	return nil
}

// heartbeat keeps this producer in the brokers' lists: brokers forget one that
// is silent for two minutes.
func (p *Producer) heartbeat(ctx context.Context) {
	for _, addr := range p.masters() {
		if err := p.register(ctx, addr); err != nil && ctx.Err() == nil {
			p.cfg.logger.Warn("heartbeat failed", "broker", addr, "error", err)
		}
	}
}

func (p *Producer) register(ctx context.Context, addr string) error {
	body := heartbeatBody(p.clientID, p.cfg.group)
	_, err := p.cluster.Call(ctx, addr, cluster.Request{Code: protocol.ReqHeartBeat, Body: body})
	return err
}

func (p *Producer) unregister() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.group.Context()), time.Second)
	defer cancel()
	for _, addr := range p.masters() {
		_, err := p.cluster.Call(ctx, addr, cluster.Request{
			Code:   protocol.ReqUnregisterClient,
			Header: &protocol.UnregisterClientRequest{ClientID: p.clientID, ProducerGroup: p.cfg.group},
		})
		if err != nil {
			p.cfg.logger.Debug("unregister failed", "broker", addr, "error", err)
		}
	}
}

// masters lists the brokers that this producer sends to.
func (p *Producer) masters() []string {
	seen := make(map[string]bool)
	var addrs []string
	for _, route := range p.routes.All() {
		for _, name := range route.Brokers() {
			if addr, ok := route.Master(name); ok && !seen[addr] {
				seen[addr] = true
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

func (p *Producer) logger(topic string) *slog.Logger { return p.cfg.logger.With("topic", topic) }
