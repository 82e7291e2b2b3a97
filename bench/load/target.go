package load

import (
	"context"
	"errors"
	"fmt"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/admin"
)

// Where says how to find the queues of a topic.
type Where struct {
	Admin  *admin.Client
	Topic  string
	Broker string // address: only this broker, without asking a nameserver
	Create int32  // make the topic, or give it this many queues; 0: leave it as it is
}

// defaultQueues is how many queues a topic gets that has to be made.
const defaultQueues = 8

// Resolve lists the queues of the topic at the masters of its brokers, with the
// current end of each in Start if atEnd, else with its beginning. A topic that
// does not exist is made when Create says so.
func (w Where) Resolve(ctx context.Context, atEnd bool) ([]Queue, error) {
	if w.Create > 0 {
		if err := w.create(ctx, w.Create); err != nil {
			return nil, err
		}
	}
	addrs, err := w.masters(ctx)
	if err != nil {
		return nil, err
	}
	var queues []Queue
	for _, addr := range addrs {
		status, err := w.Admin.TopicStatusAt(ctx, addr, w.Topic)
		if err != nil {
			return nil, err
		}
		for _, q := range status.Queues {
			start := q.Min
			if atEnd {
				start = q.Max
			}
			queues = append(queues, Queue{Addr: addr, Broker: q.Broker, ID: q.ID, Start: start, Topic: w.Topic})
		}
	}
	return queues, nil
}

// Ensure makes the topic if it does not exist.
func (w Where) Ensure(ctx context.Context) error {
	var err error
	if w.Broker != "" {
		_, err = w.Admin.TopicStatusAt(ctx, w.Broker, w.Topic)
	} else {
		_, err = w.Admin.TopicRoute(ctx, w.Topic)
	}
	if code, _ := client.CodeOf(err); code == client.CodeTopicNotExist {
		return w.create(ctx, defaultQueues)
	}
	return err
}

func (w Where) create(ctx context.Context, queues int32) error {
	targets := []string{w.Broker}
	if w.Broker == "" {
		brokers, err := w.Admin.Brokers(ctx)
		if err != nil {
			return err
		}
		targets = nil
		for _, b := range brokers {
			if b.Master() {
				targets = append(targets, b.Addr)
			}
		}
	}
	if len(targets) == 0 {
		return errors.New("the nameserver knows no broker")
	}
	for _, addr := range targets {
		_, err := w.Admin.UpdateTopic(ctx, admin.Target{Broker: addr}, admin.TopicConfig{
			Topic: w.Topic, ReadQueues: queues, WriteQueues: queues, Perm: 6,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w Where) masters(ctx context.Context) ([]string, error) {
	if w.Broker != "" {
		return []string{w.Broker}, nil
	}
	route, err := w.Admin.TopicRoute(ctx, w.Topic)
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, b := range route.Brokers {
		if addr, ok := b.Addrs[0]; ok {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("topic %s: no broker of its route has a master", w.Topic)
	}
	return addrs, nil
}
