package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// redriveGroup is the consumer group whose offsets in a dead letter topic are the
// progress of redrive jobs, and whose queue locks keep two of them apart. A job with
// a name has a group of its own: the name follows after a hyphen.
const redriveGroup = "AEROBEE_REDRIVE"

// Times of a job. The brokers' locks end lockLease after the last renewal.
const (
	lockLease   = time.Minute
	lockRenewal = 15 * time.Second
	commitEvery = time.Second
)

// ErrJobRuns means that another client works on the dead letters.
var ErrJobRuns = errors.New("another job has the dead letters")

// Redrive is a job that sends dead letters again. The broker keeps how far it is, so
// that it goes on where it ended, from any machine, also after a crash: then
// messages of the last second may be sent twice, and none is left out.
type Redrive struct {
	Group string
	Where Where     // what does not match is passed over and stays where it is
	Begin time.Time // dead since; zero: the oldest
	End   time.Time // dead before; zero: what is there at the begin of the job
	Limit int64     // stop after so many messages sent; 0: never

	To        string  // topic; empty: the one each message was sent to first
	SameQueue bool    // to the queue it was in first, which keeps the order of keys
	Rate      float64 // messages a second; 0: as fast as it goes
	Mark      bool    // give the copies the property AEROBEE_REDRIVEN: the id of the dead letter
	DryRun    bool    // send nothing, and keep no progress
	Job       string  // jobs with different names have different progress
	Anew      bool    // from the oldest dead letter, whatever the job did before

	// Sent is called for every message, with what became of it, or nil in a dry run.
	// It may be nil. Its error ends the job.
	Sent func(d *DeadLetter, topic string, result *client.SendResult) error
}

// RedriveResult is what a job did.
type RedriveResult struct {
	Group   string         `json:"group"`
	Job     string         `json:"job"` // the consumer group that has the progress
	Sent    int64          `json:"sent"`
	Passed  int64          `json:"passed"` // read and not matched
	DryRun  bool           `json:"dryRun,omitempty"`
	Queues  []OffsetChange `json:"queues"` // progress before and after
	Elapsed time.Duration  `json:"elapsedNanos"`
}

// RedriveDeadLetters runs a job until it has dealt with the messages that were dead
// when it began. The result tells what was done, also beside an error.
func (c *Client) RedriveDeadLetters(ctx context.Context, r Redrive) (RedriveResult, error) {
	j := &redriveJob{Redrive: r, c: c, topic: protocol.DLQTopic(r.Group), group: redriveGroup, began: time.Now()}
	if r.Job != "" {
		j.group += "-" + r.Job
	}
	j.result = RedriveResult{Group: r.Group, Job: j.group, DryRun: r.DryRun, Queues: []OffsetChange{}}
	err := j.run(ctx)
	j.result.Elapsed = time.Since(j.began)
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("redrive of group %s: %w", r.Group, noDeadLetters(r.Group, err))
	}
	return j.result, err
}

// redriveJob is a Redrive that runs.
type redriveJob struct {
	Redrive
	c        *Client
	topic    string
	group    string // of the progress
	clientID string
	maximum  int32
	producer *client.Producer
	began    time.Time
	due      time.Time // of the next message, with a rate
	result   RedriveResult
}

func (j *redriveJob) run(ctx context.Context) error {
	if err := protocol.ValidateGroup(j.group); err != nil {
		return err
	}
	if j.Rate < 0 || j.Limit < 0 {
		return fmt.Errorf("rate is %v and limit %d, must not be negative", j.Rate, j.Limit)
	}
	var err error
	if j.maximum, err = j.c.attemptsOf(ctx, j.Group); err != nil {
		return err
	}
	route, err := j.c.cluster.LookupRoute(ctx, j.topic)
	if err != nil {
		return err
	}
	if !j.DryRun {
		if err := j.openProducer(ctx); err != nil {
			return err
		}
		defer j.producer.Close()
	}
	for _, at := range route.Subscribe {
		addr, ok := route.Replica(at.Broker, cluster.MasterID)
		if !ok {
			return fmt.Errorf("broker %s has no master", at.Broker)
		}
		q := &redriveQueue{job: j, addr: addr, queue: client.Queue{Topic: j.topic, Broker: at.Broker, ID: at.ID}}
		if err := q.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (j *redriveJob) openProducer(ctx context.Context) (err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	j.clientID = fmt.Sprintf("%s@%d#redrive#%d", host, os.Getpid(), j.began.UnixNano())
	j.producer, err = client.NewProducer(ctx, producerGroup, client.WithNameservers(j.c.Nameservers()...),
		client.WithSendTimeout(j.c.timeout), client.WithRequestTimeout(j.c.timeout), client.WithTLS(j.c.tls))
	return err
}

// pace waits until the rate allows another message.
func (j *redriveJob) pace(ctx context.Context) error {
	if j.Rate == 0 || j.DryRun {
		return ctx.Err()
	}
	now := time.Now()
	if j.due.Before(now) {
		j.due = now // what was not used is not made up for
	}
	wait := time.NewTimer(j.due.Sub(now))
	defer wait.Stop()
	j.due = j.due.Add(time.Duration(float64(time.Second) / j.Rate))
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send sends a dead letter again, unless it is a dry run.
func (j *redriveJob) send(ctx context.Context, d *DeadLetter) (topic string, result *client.SendResult, err error) {
	topic = cmp.Or(j.To, d.Origin)
	if topic == "" {
		return "", nil, fmt.Errorf("message %s at offset %d of %v: nobody knows the topic it was sent to; name one", d.ID(), d.Offset, d.Queue)
	}
	if j.DryRun {
		return topic, nil, nil
	}
	m, err := j.copyOf(ctx, d, topic)
	if err != nil {
		return topic, nil, err
	}
	sent, err := j.producer.Send(ctx, m)
	if err != nil {
		return topic, nil, fmt.Errorf("message %s at offset %d of %v: %w", d.ID(), d.Offset, d.Queue, err)
	}
	return topic, &sent, nil
}

// copyOf makes the message that is sent: body, flag, tag, keys and the sender's
// properties. What retries, timers and brokers added is left out.
func (j *redriveJob) copyOf(ctx context.Context, d *DeadLetter, topic string) (*client.Message, error) {
	m := &client.Message{Topic: topic, Body: d.Body, Tag: d.Tag(), Keys: d.Keys(), Flag: d.Flag, Properties: make(map[string]string)}
	for name, value := range d.Properties {
		if !client.Reserved(name) && !leftBehind(name) {
			m.Properties[name] = value
		}
	}
	if j.Mark {
		m.Properties[message.PropRedriven] = d.ID()
	}
	if !j.SameQueue {
		return m, nil
	}
	origin, err := j.c.MessageByID(ctx, d.Origin, d.OriginID)
	if err != nil {
		return nil, fmt.Errorf("message %s: the queue it was in: %w", d.ID(), err)
	}
	broker, err := j.c.brokerName(ctx, topic, origin.StoreHost.String())
	if err != nil {
		return nil, fmt.Errorf("message %s: the queue it was in: %w", d.ID(), err)
	}
	m.To = &client.Queue{Topic: topic, Broker: broker, ID: origin.Queue.ID}
	return m, nil
}

// leftBehind tells whether a property belongs to the life that is over, although
// senders may set it: it would delay the message again.
func leftBehind(name string) bool {
	switch name {
	case message.PropTimerDelaySec, message.PropTimerDelayMs, message.PropTimerDeliverMs, "__STARTDELIVERTIME":
		return true
	}
	return strings.HasPrefix(name, message.OwnPropertyPrefix)
}

// brokerName finds the broker of a topic that has an address.
func (c *Client) brokerName(ctx context.Context, topic, addr string) (string, error) {
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return "", err
	}
	for _, b := range route.Data.BrokerDatas {
		for _, a := range b.BrokerAddrs {
			if a == addr {
				return b.BrokerName, nil
			}
		}
	}
	return "", fmt.Errorf("topic %s has no broker at %s", topic, addr)
}

// redriveQueue is the part of a job that deals with one queue.
type redriveQueue struct {
	job   *redriveJob
	addr  string
	queue client.Queue

	next      int64 // offset of the message that is dealt with next
	end       int64
	saved     int64 // progress that the broker knows
	savedAt   time.Time
	renewedAt time.Time // of the lock; by the wall clock, which counts a suspended machine too
}

func (q *redriveQueue) run(ctx context.Context) error {
	j := q.job
	if !j.DryRun {
		if err := q.lock(ctx); err != nil {
			return err
		}
		defer q.unlock(context.WithoutCancel(ctx))
	}
	if err := q.begin(ctx); err != nil {
		return err
	}
	from := q.next
	err := q.work(ctx)
	if q.next != q.saved && !j.DryRun {
		err = cmp.Or(err, q.save(context.WithoutCancel(ctx)))
	}
	j.result.Queues = append(j.result.Queues, OffsetChange{Queue: q.queue, From: from, To: q.next})
	return err
}

// begin finds where to start and where to end.
func (q *redriveQueue) begin(ctx context.Context) error {
	j := q.job
	oldest, err := j.c.minOffset(ctx, q.addr, q.queue)
	if err != nil {
		return err
	}
	if q.end, err = j.c.offsetAt(ctx, q.addr, q.queue, j.End); err != nil {
		return err
	}
	last, err := j.c.offsetAt(ctx, q.addr, q.queue, time.Time{})
	if err != nil {
		return err
	}
	q.next = oldest
	if !j.Anew {
		if q.saved, err = j.c.redriveProgress(ctx, q.addr, j.group, q.queue); err != nil {
			return err
		}
		if q.saved <= last { // else the topic was made anew
			q.next = max(oldest, q.saved)
		}
	}
	if !j.Begin.IsZero() {
		begin, err := j.c.offsetAt(ctx, q.addr, q.queue, j.Begin)
		if err != nil {
			return err
		}
		q.next = max(q.next, begin)
	}
	q.savedAt = time.Now()
	return nil
}

func (q *redriveQueue) work(ctx context.Context) error {
	for q.next < q.end {
		views, next, err := q.job.c.pull(ctx, q.addr, q.queue, protocol.SubscribeAll, q.next, 32)
		if err != nil {
			return err
		}
		if next <= q.next {
			return nil // the queue has shrunk meanwhile
		}
		for _, m := range views {
			if m.Offset >= q.end {
				q.next = q.end
				return nil
			}
			if m.Offset < q.next {
				continue // the begin of a batch that is done
			}
			if err := q.deal(ctx, m); err != nil {
				return err
			}
		}
		q.next = max(q.next, min(next, q.end))
	}
	return nil
}

// deal sends a message again, or passes it over.
func (q *redriveQueue) deal(ctx context.Context, m *client.MessageView) error {
	j := q.job
	d := deadLetterOf(j.Group, m, j.maximum)
	matches := j.Where.Holds(d)
	if matches {
		if err := j.pace(ctx); err != nil {
			return err
		}
	}
	if err := q.keep(ctx); err != nil {
		return err
	}
	if !matches {
		j.result.Passed++
		q.next = m.Offset + 1
		return nil
	}
	topic, result, err := j.send(ctx, d)
	if err != nil {
		return err
	}
	j.result.Sent++
	q.next = m.Offset + 1
	if j.Sent != nil {
		if err := j.Sent(d, topic, result); err != nil {
			return err
		}
	}
	if j.result.Sent == j.Limit {
		return errEnough
	}
	return nil
}

// keep renews the lock and saves the progress when it is time.
func (q *redriveQueue) keep(ctx context.Context) error {
	if q.job.DryRun {
		return nil
	}
	now := time.Now().Round(0)
	if now.Sub(q.renewedAt) >= lockRenewal {
		if err := q.lock(ctx); err != nil {
			return err
		}
	}
	if q.next != q.saved && time.Since(q.savedAt) >= commitEvery {
		return q.save(ctx)
	}
	return nil
}

// redriveProgress is the offset that a job's group has in a queue, or 0.
func (c *Client) redriveProgress(ctx context.Context, addr, group string, q client.Queue) (int64, error) {
	resp, err := c.call(ctx, addr, cluster.Request{
		Code: protocol.ReqQueryConsumerOffset,
		Header: &protocol.QueryConsumerOffsetRequest{
			ConsumerGroup: group, Topic: q.Topic, QueueID: q.ID, BrokerName: q.Broker,
		},
	})
	if is(err, protocol.RespQueryNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("progress of group %s in queue %v: %w", group, q, err)
	}
	var h protocol.QueryConsumerOffsetResponse
	return h.Offset, cluster.Bind("broker "+addr, resp, &h)
}

// save stores the progress. A broker that does not know the job's group is told of
// it first.
func (q *redriveQueue) save(ctx context.Context) error {
	c, group := q.job.c, q.job.group
	err := c.writeOffset(ctx, q.addr, group, q.queue, q.next)
	if is(err, protocol.RespSubscriptionGroupNotExist) {
		if _, err := c.UpdateGroup(ctx, Target{Broker: q.addr}, NewGroupConfig(group)); err != nil {
			return err
		}
		err = c.writeOffset(ctx, q.addr, group, q.queue, q.next)
	}
	if err == nil {
		q.saved, q.savedAt = q.next, time.Now()
	}
	return err
}

func (q *redriveQueue) mq() []protocol.MessageQueue {
	return []protocol.MessageQueue{{Topic: q.queue.Topic, BrokerName: q.queue.Broker, QueueID: q.queue.ID}}
}

// lock takes or renews the queue's lock. The time counts from before the request.
func (q *redriveQueue) lock(ctx context.Context) error {
	began := time.Now().Round(0)
	body, err := ask[protocol.LockBatchResponseBody](ctx, q.job.c, q.addr, cluster.Request{
		Code: protocol.ReqLockBatchMQ,
		Body: jsonBody(protocol.LockBatchRequestBody{ConsumerGroup: q.job.group, ClientID: q.job.clientID, MQSet: q.mq()}),
	})
	if err != nil {
		return fmt.Errorf("lock of queue %v: %w", q.queue, err)
	}
	if len(body.LockOKMQSet) == 0 {
		return fmt.Errorf("queue %v: %w; if that one is gone, its lock ends within %s s", q.queue, ErrJobRuns, strconv.Itoa(int(lockLease.Seconds())))
	}
	q.renewedAt = began
	return nil
}

// unlock gives the lock up. If that fails it ends by itself.
func (q *redriveQueue) unlock(ctx context.Context) {
	_, _ = q.job.c.call(ctx, q.addr, cluster.Request{
		Code: protocol.ReqUnlockBatchMQ,
		Body: jsonBody(protocol.UnlockBatchRequestBody{ConsumerGroup: q.job.group, ClientID: q.job.clientID, MQSet: q.mq()}),
	})
}
