package broker

import (
	"context"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// notifier tells consumers that their group changed (NOTIFY_CONSUMER_IDS_CHANGED),
// on its own goroutine. Of several changes of a group that come while it is busy
// only the last is told. The table has an entry for each group online at most.
type notifier struct {
	b    *Broker
	wake chan struct{}

	mu struct {
		sync.Mutex
		pending map[string][]*registry.Member
	}
}

// batchedNotify is how long changes are collected when realTimeNotifyConsumerChange
// is off.
const batchedNotify = 15 * time.Second

func newNotifier(b *Broker) *notifier {
	n := &notifier{b: b, wake: make(chan struct{}, 1)}
	n.mu.pending = make(map[string][]*registry.Member)
	return n
}

// apply does what the registry asks for.
func (b *Broker) apply(e registry.Effects) {
	for _, c := range e.Close {
		if conn, ok := c.(*remoting.Conn); ok {
			conn.Close()
		}
	}
	for _, group := range e.Gone {
		b.filters.Unregister(group)
	}
	if len(e.Changes) == 0 || !b.config().NotifyConsumerIDsChanged {
		return
	}
	for _, c := range e.Changes {
		if g, ok := b.groups.Peek(c.Group); !ok || g.NotifyConsumerIDsChangedEnable {
			b.notify.add(c)
		}
	}
}

func (n *notifier) add(c registry.Change) {
	n.mu.Lock()
	n.mu.pending[c.Group] = c.Members
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) take() map[string][]*registry.Member {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.mu.pending
	n.mu.pending = make(map[string][]*registry.Member)
	return taken
}

func (n *notifier) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.wake:
		}
		if !n.b.config().RealTimeNotify {
			if err := pause(ctx, batchedNotify); err != nil {
				return err
			}
		}
		for group, members := range n.take() {
			n.tell(group, members)
		}
	}
}

func (n *notifier) tell(group string, members []*registry.Member) {
	header := &protocol.NotifyConsumerIDsChangedRequest{ConsumerGroup: group}
	for _, m := range members {
		conn, ok := m.Channel.(*remoting.Conn)
		if !ok {
			continue
		}
		err := conn.Oneway(&remoting.Command{
			Code: int32(protocol.ReqNotifyConsumerIDsChanged), Version: protocol.Version,
			Ext: remoting.AppendHeader(nil, header, false),
		})
		if err != nil {
			n.b.log.Debug("consumer not told of its group's change", "group", group, "peer", conn.RemoteAddr(), "error", err)
		}
	}
}

// pause waits as long as ctx allows.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
