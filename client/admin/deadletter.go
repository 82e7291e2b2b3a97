package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Reasons of a DeadLetter. An aerobee broker writes the first three into the
// message; of messages from other brokers they are inferred, where that is certain.
const (
	ReasonMaxAttempts = message.DeadMaxAttempts // tried as often as group or consumer allow
	ReasonRejected    = message.DeadRejected    // the consumer asked for it (delay level -1)
	ReasonOrdered     = message.DeadOrdered     // an orderly consumer gave up, or the group held queue locks
	ReasonEarly       = "EARLY"                 // rejected, or the consumer has a lower maximum than the group
	ReasonDirect      = "DIRECT"                // a producer sent it to the dead letter topic
)

// DeadLetter is a message of a group's dead letter topic and what is known about
// how it came there.
type DeadLetter struct {
	*client.MessageView
	Group    string
	Origin   string // the topic it was sent to; empty if nobody knows
	OriginID string // offset id of the message as it was sent
	Reason   string // one of the Reason constants
	Limit    int32  // attempts that were allowed; 0 if nobody wrote it down
	Client   string // address of the consumer that gave up; empty likewise
}

// DeadLetterScan says which dead letters to read.
type DeadLetterScan struct {
	Group string
	Where Where
	Begin time.Time // dead since; zero: the oldest
	End   time.Time // dead before; zero: the newest
	Limit int64     // stop after so many; 0: never
}

// errEnough ends a scan at its limit.
var errEnough = errors.New("enough")

// DeadLetters calls f for the dead letters of a group, queue by queue from the
// oldest on. It ends with f's first error, which it returns.
func (c *Client) DeadLetters(ctx context.Context, s DeadLetterScan, f func(*DeadLetter) error) error {
	maximum, err := c.attemptsOf(ctx, s.Group)
	if err != nil {
		return err
	}
	n := int64(0)
	err = c.Messages(ctx, Scan{Topic: protocol.DLQTopic(s.Group), Begin: s.Begin, End: s.End}, func(m *client.MessageView) error {
		d := deadLetterOf(s.Group, m, maximum)
		if !s.Where.Holds(d) {
			return nil
		}
		if err := f(d); err != nil {
			return err
		}
		if n++; n == s.Limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return noDeadLetters(s.Group, err)
}

// noDeadLetters says what a missing dead letter topic means.
func noDeadLetters(group string, err error) error {
	if is(err, protocol.RespTopicNotExist) {
		return fmt.Errorf("group %s has no dead letters: %w", group, err)
	}
	return err
}

// attemptsOf is the largest number of retries that any broker allows a group. A
// group without configuration, whose dead letters are older than its deletion, has
// the default.
func (c *Client) attemptsOf(ctx context.Context, group string) (int32, error) {
	configs, err := c.GroupConfigs(ctx, group)
	if err != nil && !isRefusal(err) {
		return 0, err
	}
	most := int32(-1)
	for _, at := range configs {
		most = max(most, at.Config.RetryMaxTimes)
	}
	if most < 0 {
		most = NewGroupConfig(group).RetryMaxTimes
	}
	return most, nil
}

func deadLetterOf(group string, m *client.MessageView, maximum int32) *DeadLetter {
	d := &DeadLetter{
		MessageView: m, Group: group, Origin: originOf(group, m.Properties[message.PropRetryTopic]),
		OriginID: m.Properties[message.PropOriginMessageID], Reason: m.Properties[message.PropDeadReason],
		Client: m.Properties[message.PropDeadClient],
	}
	if n, err := strconv.ParseInt(m.Properties[message.PropDeadLimit], 10, 32); err == nil {
		d.Limit = int32(n)
	}
	switch {
	case d.Reason != "":
	case d.Origin == "" && d.OriginID == "":
		d.Reason = ReasonDirect
	case m.Properties[message.PropDelay] == "-1":
		d.Reason = ReasonOrdered
	case m.ReconsumeTimes > maximum:
		d.Reason = ReasonMaxAttempts
	default:
		d.Reason = ReasonEarly
	}
	return d
}

// originOf is the topic that a message was sent to: a message that was popped from
// a pop retry topic has that one as its origin, in either form of the name.
func originOf(group, topic string) string {
	if !protocol.IsRetryTopic(topic) {
		return topic
	}
	for _, form := range []string{protocol.PopRetryTopicV2("", group), protocol.PopRetryTopic("", group)} {
		if origin, ok := strings.CutPrefix(topic, form); ok && origin != "" {
			return origin
		}
	}
	return ""
}

// DeadLetterQueue is one queue of a group's dead letter topic.
type DeadLetterQueue struct {
	Group string `json:"group"`
	QueueStatus
	Redriven int64 `json:"redriven"` // offset up to which the job without a name has been; 0: nowhere
}

// Size is the number of dead letters in the queue.
func (q DeadLetterQueue) Size() int64 { return q.Max - q.Min }

// DeadLetterQueues lists the queues of a group's dead letter topic, or those of all
// groups if the group is empty.
func (c *Client) DeadLetterQueues(ctx context.Context, group string) ([]DeadLetterQueue, error) {
	topics := []string{protocol.DLQTopic(group)}
	if group == "" {
		all, err := c.Topics(ctx)
		if err != nil {
			return nil, err
		}
		topics = slices.DeleteFunc(all, func(t string) bool { return !protocol.IsDLQTopic(t) })
	}
	found := make([][]DeadLetterQueue, len(topics))
	errs := make([]error, len(topics))
	err := forEach(ctx, topics, func(ctx context.Context, i int, topic string) {
		found[i], errs[i] = c.deadLetterQueues(ctx, topic)
	})
	return slices.Concat(found...), noDeadLetters(group, cmp.Or(err, cluster.Join(errs...)))
}

func (c *Client) deadLetterQueues(ctx context.Context, topic string) ([]DeadLetterQueue, error) {
	status, err := c.TopicStatus(ctx, topic, "")
	if err != nil {
		return nil, err
	}
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return nil, err
	}
	queues := make([]DeadLetterQueue, 0, len(status.Queues))
	for _, q := range status.Queues {
		dead := DeadLetterQueue{Group: strings.TrimPrefix(topic, protocol.DLQPrefix), QueueStatus: q}
		if addr, ok := route.Replica(q.Broker, cluster.MasterID); ok {
			if dead.Redriven, err = c.redriveProgress(ctx, addr, redriveGroup, q.Queue); err != nil {
				return queues, err
			}
		}
		queues = append(queues, dead)
	}
	return queues, nil
}

// DeadLetterCount counts dead letters by what they have in common.
type DeadLetterCount struct {
	Origin string `json:"origin"`
	Tag    string `json:"tag"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// maxCounted bounds the lines of a count; what does not fit is counted together.
const maxCounted = 10_000

// CountDeadLetters counts the dead letters of a group by origin, reason and tag.
func (c *Client) CountDeadLetters(ctx context.Context, s DeadLetterScan) ([]DeadLetterCount, error) {
	counts := make(map[DeadLetterCount]int64)
	err := c.DeadLetters(ctx, s, func(d *DeadLetter) error {
		key := DeadLetterCount{Origin: d.Origin, Tag: d.Tag(), Reason: d.Reason}
		if _, known := counts[key]; !known && len(counts) >= maxCounted {
			key = DeadLetterCount{Origin: "(others)", Tag: "(others)", Reason: "(others)"}
		}
		counts[key]++
		return nil
	})
	list := make([]DeadLetterCount, 0, len(counts))
	for key, n := range counts {
		key.Count = n
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b DeadLetterCount) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Tag, b.Tag))
	})
	return list, err
}

// DeadLetterByID returns a dead letter by its id, the producer's or an offset id.
func (c *Client) DeadLetterByID(ctx context.Context, group, id string) (*DeadLetter, error) {
	maximum, err := c.attemptsOf(ctx, group)
	if err != nil {
		return nil, err
	}
	topic := protocol.DLQTopic(group)
	if _, _, err := message.ParseOffsetID(id); err == nil {
		if m, err := c.MessageByID(ctx, topic, id); err == nil && m.Topic() == topic {
			return deadLetterOf(group, m, maximum), nil
		}
	}
	found, err := c.MessagesByUniqueKey(ctx, KeyQuery{Topic: topic, Key: id})
	if err != nil {
		return nil, noDeadLetters(group, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("dead letters of group %s: %w with id %s", group, ErrNoMessage, id)
	}
	return deadLetterOf(group, found[len(found)-1], maximum), nil
}

// PurgeDeadLetters drops all dead letters of a group, for good. Only aerobee's
// brokers can do it.
func (c *Client) PurgeDeadLetters(ctx context.Context, group string) ([]PurgedQueue, error) {
	topic := protocol.DLQTopic(group)
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return nil, noDeadLetters(group, err)
	}
	purged := []PurgedQueue{}
	var errs []error
	for _, addr := range addrsOf(route) {
		queues, err := c.PurgeTopic(ctx, Target{Broker: addr}, topic, AllQueues)
		purged = append(purged, queues...)
		if is(err, protocol.RespRequestCodeNotSupported) {
			err = fmt.Errorf("only aerobee's brokers can purge; deleteTopic -t '%s' drops the topic with its messages: %w", topic, err)
		}
		errs = append(errs, err)
	}
	return purged, cluster.Join(errs...)
}
