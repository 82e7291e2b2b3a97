package broker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// Bounds of routes.
const (
	maxRoutes    = 1 << 14         // topics remembered; the one too many takes the place of another
	routeTimeout = 3 * time.Second // for one nameserver, as in Java
)

// routes remembers which queues topics have on all brokers, as the nameservers
// tell. Routes that nobody asks for are not refreshed.
type routes struct {
	b *Broker

	mu struct {
		sync.Mutex
		topics map[string]route
	}
}

type route struct {
	queues []protocol.MessageQueue
	asked  time.Time
}

func newRoutes(b *Broker) *routes {
	r := &routes{b: b}
	r.mu.topics = make(map[string]route)
	return r
}

// queues lists the queues of a topic that consumers may read; ok is false when no
// nameserver knows it. An old answer is better than none: it serves while one
// caller asks anew, and when no nameserver answers.
func (r *routes) queues(ctx context.Context, topic string) ([]protocol.MessageQueue, bool) {
	now := r.b.now()
	r.mu.Lock()
	known, ok := r.mu.topics[topic]
	if ok && len(known.queues) > 0 && now.Sub(known.asked) < r.b.config().LoadBalancePollInterval {
		r.mu.Unlock()
		return known.queues, true
	}
	if ok {
		r.mu.topics[topic] = route{known.queues, now}
	}
	r.mu.Unlock()

	queues, err := r.ask(ctx, topic)
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused *protocol.Error
	switch {
	case err == nil:
		r.putLocked(strings.Clone(topic), route{queues, now})
		return queues, true
	case errors.As(err, &refused) && refused.Code == protocol.RespTopicNotExist && !strings.HasPrefix(topic, protocol.RetryPrefix):
		delete(r.mu.topics, topic)
		return nil, false
	default:
		return known.queues, ok
	}
}

func (r *routes) putLocked(topic string, to route) {
	if _, known := r.mu.topics[topic]; !known && len(r.mu.topics) >= maxRoutes {
		for other := range r.mu.topics {
			delete(r.mu.topics, other)
			break
		}
	}
	r.mu.topics[topic] = to
}

var errNoNameserver = errors.New("no nameserver is configured")

// ask asks one nameserver after the other until one answers.
func (r *routes) ask(ctx context.Context, topic string) (queues []protocol.MessageQueue, err error) {
	err = errNoNameserver
	for _, addr := range r.b.config().NamesrvAddrs() {
		var data protocol.TopicRouteData
		if data, err = r.askOne(ctx, addr, topic); err == nil {
			return readable(topic, &data), nil
		}
		var refused *protocol.Error
		if errors.As(err, &refused) || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (r *routes) askOne(ctx context.Context, addr, topic string) (data protocol.TopicRouteData, err error) {
	ctx, cancel := context.WithTimeout(ctx, routeTimeout)
	defer cancel()
	answer, err := r.b.register.client.Invoke(ctx, addr, &remoting.Command{
		Code: int32(protocol.ReqGetRouteInfoByTopic), Version: protocol.Version,
		Ext: remoting.AppendHeader(nil, &protocol.GetRouteInfoRequest{Topic: topic}, false),
	})
	if err = errors.Join(err, answerErr(answer)); err != nil {
		return data, err
	}
	return data, javajson.Unmarshal(answer.Body, &data)
}

// maxRouteQueues bounds the queues of one broker that a nameserver may tell of.
const maxRouteQueues = 1 << 16

// readable lists the queues that a route has for consumers.
func readable(topic string, data *protocol.TopicRouteData) (queues []protocol.MessageQueue) {
	topic = strings.Clone(topic)
	for _, d := range data.QueueDatas {
		if d.Perm&protocol.PermRead == 0 {
			continue
		}
		for i := range min(d.ReadQueueNums, maxRouteQueues) {
			queues = append(queues, protocol.MessageQueue{Topic: topic, BrokerName: d.BrokerName, QueueID: i})
		}
	}
	return queues
}
