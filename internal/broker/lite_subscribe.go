package broker

import (
	"context"
	"errors"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/lite"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// liteSubscriptionCtl serves LITE_SUBSCRIPTION_CTL (consumption.md 9.2). The first
// entry that fails ends it; those before it count.
func (b *Broker) liteSubscriptionCtl(ctx context.Context, c *remoting.Call) error {
	if len(c.Body) == 0 {
		return protocol.Errorf(protocol.RespIllegalOperation, "Request body is null.")
	}
	body, err := decode[protocol.LiteSubscriptionCtlRequestBody](c)
	if err != nil {
		return err
	}
	if len(body.SubscriptionSet) == 0 {
		return protocol.Errorf(protocol.RespIllegalOperation, "LiteSubscriptionCtlRequestBody is empty.")
	}
	for i := range body.SubscriptionSet {
		d := &body.SubscriptionSet[i]
		if blank(d.ClientID) || blank(d.Group) || blank(d.Topic) {
			continue
		}
		if err := b.subscribeLite(ctx, c.Conn(), d); err != nil {
			return liteError(err)
		}
	}
	return replyOK(c)
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// liteError gives an error of the service the code that Java's has.
func liteError(err error) error {
	switch {
	case errors.Is(err, lite.ErrQuota):
		return protocol.Errorf(protocol.RespLiteSubscriptionQuotaExceeded, "%v", err)
	case errors.Is(err, lite.ErrWildcard):
		return protocol.Errorf(protocol.RespIllegalOperation, "%v", err)
	default:
		return err
	}
}

func (b *Broker) subscribeLite(ctx context.Context, conn *remoting.Conn, d *protocol.LiteSubscriptionDTO) error {
	client := lite.Client{Group: d.Group, ID: d.ClientID}
	switch d.Action {
	case protocol.LitePartialAdd:
		if err := b.admitLiteGroup(d.Group); err != nil {
			return err
		}
		if err := b.lite.Admit(d.Group); err != nil {
			return err
		}
		if err := b.lite.Touch(client, d.Topic, conn, b.now()); err != nil {
			return err
		}
		return b.addLiteTopics(ctx, client, d)
	case protocol.LitePartialRemove:
		if err := b.lite.Touch(client, d.Topic, nil, b.now()); err != nil {
			return err
		}
		b.removeLiteTopics(client, d)
		return nil
	case protocol.LiteCompleteAdd:
		if err := b.admitLiteGroup(d.Group); err != nil {
			return err
		}
		if err := b.lite.Touch(client, d.Topic, conn, b.now()); err != nil {
			return err
		}
		return b.setLiteTopics(ctx, client, d)
	case protocol.LiteCompleteRemove:
		b.lite.Drop(client)
		return nil
	default:
		return protocol.Errorf(protocol.RespSystemError, "lite subscription of client %s: no action that there is", d.ClientID)
	}
}

func (b *Broker) admitLiteGroup(name string) error {
	if g, ok := b.groups.Find(name); !ok || !g.ConsumeEnable {
		return protocol.Errorf(protocol.RespIllegalOperation, "Consumer group is not allowed to consume.")
	}
	return nil
}

// liteQueueOf is the queue of a lite topic that a client may subscribe to here: this
// broker is the one its messages go to, or has some of it.
func (b *Broker) liteQueueOf(ctx context.Context, parent, name string) (queue string, exists, ok bool) {
	queue = protocol.LiteQueueName(parent, name)
	if _, _, valid := protocol.SplitLiteQueueName(queue); !valid {
		return "", false, false
	}
	exists = b.store.MaxOffset(queue, 0) > 0
	return queue, exists, exists || b.ownsLite(ctx, parent, name)
}

func (b *Broker) addLiteTopics(ctx context.Context, client lite.Client, d *protocol.LiteSubscriptionDTO) error {
	rules, _ := b.liteRules(client.Group)
	for _, name := range d.LiteTopicSet {
		queue, exists, ok := b.liteQueueOf(ctx, d.Topic, name)
		if !ok {
			continue
		}
		if rules.Exclusive {
			for _, gone := range b.lite.Displace(client, queue) {
				b.notifyUnsubscribed(gone, name)
				if rules.ResetExclusive {
					b.resetLite(client.Group, queue, &fromStart)
				}
			}
		}
		moved := b.resetLite(client.Group, queue, d.OffsetOption)
		if err := b.lite.Subscribe(client, queue, exists); err != nil {
			return err
		}
		if moved && exists {
			b.lite.Again(client.Group, queue)
		}
	}
	return nil
}

func (b *Broker) removeLiteTopics(client lite.Client, d *protocol.LiteSubscriptionDTO) {
	rules, _ := b.liteRules(client.Group)
	for _, name := range d.LiteTopicSet {
		queue := protocol.LiteQueueName(d.Topic, name)
		if b.lite.Unsubscribe(client, queue) && rules.ResetUnsubscribe {
			b.resetLite(client.Group, queue, &fromStart)
		}
	}
}

func (b *Broker) setLiteTopics(ctx context.Context, client lite.Client, d *protocol.LiteSubscriptionDTO) error {
	if rules, _ := b.liteRules(client.Group); rules.Wildcard {
		b.lite.ReplaceAll(client, b.now())
		return nil
	}
	queues := make([]string, 0, len(d.LiteTopicSet))
	exist := make([]bool, 0, len(d.LiteTopicSet))
	for _, name := range d.LiteTopicSet {
		if queue, exists, ok := b.liteQueueOf(ctx, d.Topic, name); ok {
			queues, exist = append(queues, queue), append(exist, exists)
		}
	}
	return b.lite.Replace(client, queues, exist)
}

// Values of an OffsetOption by policy.
const (
	offsetPolicyMin = 1
	offsetPolicyMax = 2
)

var fromStart = protocol.OffsetOption{Type: protocol.OffsetByPolicy, Value: offsetPolicyMin}

// resetLite has a group begin elsewhere in a queue; it tells whether it does. A
// timestamp is ignored, as in Java.
func (b *Broker) resetLite(group, queue string, o *protocol.OffsetOption) bool {
	if o == nil {
		return false
	}
	current, known := b.offsets.Query(group, queue, 0)
	target := int64(-1)
	switch o.Type {
	case protocol.OffsetByPolicy:
		switch o.Value {
		case offsetPolicyMin:
			target = 0
		case offsetPolicyMax:
			target = b.store.MaxOffset(queue, 0)
		}
	case protocol.OffsetByOffset:
		target = o.Value
	case protocol.OffsetByTail:
		if known {
			target = max(current-o.Value, 0)
		}
	}
	if target < 0 || known && target == current {
		return false
	}
	if err := b.offsets.Reset(group, queue, 0, target); err != nil {
		b.log.Warn("offset of a lite subscription not reset", "group", group, "queue", queue, "offset", target, "error", err)
		return false
	}
	b.lite.Forget(group, queue)
	return true
}
