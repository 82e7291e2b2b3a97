package broker

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/broker/transaction"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// openTransactions connects the transactions to the broker.
func (b *Broker) openTransactions() (err error) {
	b.transactions, err = transaction.Open(transaction.Config{
		Store: b.store, Offsets: b.offsets, Settings: b.transactionSettings, Ask: b.askProducer,
		Put: func(messages []message.Message, results []store.PutResult) {
			b.ensureExhausted(messages)
			b.putAll(messages, results, stats.Transaction)
		},
		FS: b.store.FS(), Path: filepath.Join(b.config().StorePathRootDir, "config", "transactionMetrics"),
		Host:  func() message.Message { return message.Message{BornHost: b.traffic.host, StoreHost: b.traffic.host} },
		Now:   b.now,
		Log:   b.log,
		Block: b.config().BrokerName,
	})
	return err
}

func (b *Broker) transactionSettings() transaction.Settings {
	cfg := b.config()
	return transaction.Settings{
		Timeout: cfg.TransactionTimeOut, CheckMax: cfg.TransactionCheckMax, CheckInterval: cfg.TransactionCheckPeriod,
		OpMaxSize: cfg.TransactionOpMaxSize, OpInterval: cfg.TransactionOpInterval, MetricFlush: cfg.TransactionMetricFlush,
		Reserve: cfg.FileReservedTime,
	}
}

// ensureExhausted creates the topic for what is given up when it is needed.
func (b *Broker) ensureExhausted(messages []message.Message) {
	for i := range messages {
		if messages[i].Topic != protocol.TransCheckMaxTopic {
			continue
		}
		if _, err := b.topics.CreateInSendBack(protocol.TransCheckMaxTopic, 1, readWrite, 0); err != nil {
			b.log.Error("topic for transactions given up not created", "error", err)
		}
	}
}

// askTries is to how many connections of a group a question is offered.
const askTries = 8

// askProducer sends a question to one connection of the group, another each time.
func (b *Broker) askProducer(c transaction.Check) bool {
	members := b.clients.ProducerGroup(c.Group)
	start := int(b.traffic.asked.Add(1))
	for i := range min(len(members), askTries) {
		m := members[(start+i)%len(members)]
		conn, ok := m.Channel.(*remoting.Conn)
		if !ok {
			continue
		}
		err := conn.Oneway(&remoting.Command{
			Code: int32(protocol.ReqCheckTransactionState), Version: protocol.Version,
			Ext: remoting.AppendHeader(nil, &c.Header, false), Body: c.Body,
		})
		if err == nil {
			return true
		}
		b.log.Debug("producer not asked about a transaction", "group", c.Group, "peer", conn.RemoteAddr(), "error", err)
	}
	return false
}

// addHalf sends a half message to the queue in which it waits for its end. A
// delay level or a time of delivery stays in its properties and counts when it is
// committed. The answer still names the queue it was sent to.
func (s *sending) addHalf() error {
	if ask := &s.props.ask; ask.Asked() {
		if _, err := s.deliverAt(); err != nil {
			return err
		}
		s.props.addAsk()
	}
	s.half = s.topic
	s.props.add(message.PropDelay, s.props.delay)
	s.props.buf = transaction.HalfProps(s.props.buf, s.msg.Topic, s.msg.QueueID, aliasOf(s.uniqKey))
	s.msg.Topic, s.msg.QueueID = protocol.HalfTopic, 0
	s.msg.SysFlag &^= message.FlagTransactionMask
	s.topic, s.batched = protocol.HalfTopic, false // the topic it goes to counts it when it is committed
	return nil
}

// ending is an END_TRANSACTION request on its way through the store. It is reused.
type ending struct {
	transaction.Ending
	b      *Broker
	ticket remoting.Ticket
	topic  string // real; in memory that is not reused
	count  string // topic that counts the message: where it is stored
	bytes  int64
	done   func(error) // instead of an answer
}

var endings = sync.Pool{New: func() any { return new(ending) }}

func (e *ending) release() {
	e.Release()
	*e = ending{Ending: e.Ending}
	endings.Put(e)
}

// endTransaction serves END_TRANSACTION (remoting.md 5.12). A commit is answered
// when the message is stored; AfterBatch commits. What is not known yet gets no
// answer.
func (b *Broker) endTransaction(c *remoting.Call) error {
	var h protocol.EndTransactionRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	switch h.CommitOrRollback {
	case protocol.TransactionCommit, protocol.TransactionRollback:
	case protocol.TransactionUnknown:
		return nil
	default:
		return protocol.Errorf(protocol.RespSystemError, "commitOrRollback field wrong")
	}
	if !b.coldRecord(h.CommitLogOffset) {
		return b.end(&h, c.Ticket)
	}
	c.Detach(func(_ context.Context, c *remoting.Call) error {
		var h protocol.EndTransactionRequest
		if err := remoting.Bind(c.Ext, &h); err != nil {
			return err
		}
		defer b.store.Commit()
		return b.end(&h, c.Ticket)
	})
	return nil
}

func (b *Broker) end(h *protocol.EndTransactionRequest, ticket remoting.Ticket) error {
	e := endings.Get().(*ending)
	e.b, e.ticket = b, ticket
	err := e.start(h, false)
	if err != nil {
		e.release()
	}
	if errors.Is(err, transaction.ErrAlready) {
		ticket.Reply(remoting.Reply{})
		return nil
	}
	return err
}

// start reads the half message and ends it. Without an error the request is
// answered here or when the message is stored.
func (e *ending) start(h *protocol.EndTransactionRequest, byAdmin bool) error {
	b := e.b
	if err := b.transactions.Read(&e.Ending, h, byAdmin); err != nil {
		return err
	}
	if err := b.transactions.Begin(e.Offset); err != nil {
		return err
	}
	e.topic = b.stableTopic(e.Topic)
	if h.CommitOrRollback == protocol.TransactionRollback {
		b.transactions.Finish(e.Offset, e.topic, true)
		b.transactions.Ended(false)
		conn := e.ticket.Conn()
		e.answer(nil)
		conn.Flush()
		return nil
	}
	return e.commit()
}

// commit puts the real message into the next group.
func (e *ending) commit() error {
	b := e.b
	b.transactions.Commit(&e.Ending)
	m := &e.Real
	b.postpone(m)
	p := b.store.AcquirePut()
	e.count = e.topic
	if m.Topic != e.Topic {
		e.count = m.Topic // a constant
	}
	p.Topic, p.QueueID = e.count, m.QueueID
	if topic, ok := b.topics.Lookup(m.Topic); ok {
		p.Batch = hasBatchQueues(topic)
	}
	if err := p.Add(m); err != nil {
		b.store.ReleasePut(p)
		b.transactions.Finish(e.Offset, e.topic, false)
		return b.putError(store.StatusOf(err), err)
	}
	e.bytes = recordSize(m)
	p.Owner, p.Done = e, endingDone
	b.store.Enqueue(p)
	return nil
}

// postpone lets a committed message wait for as long as its sender wanted. What
// can no longer be asked for, because the configuration has changed since, is
// delivered at once: the answer to a commit is no place to lose a message.
func (b *Broker) postpone(m *message.Message) {
	var ask timer.Ask
	level := int32(0)
	for name, value := range message.Properties(m.Properties) {
		switch name {
		case message.PropDelay:
			level = number(value, 0)
		case message.PropTimerDelaySec:
			ask.DelaySec = value
		case message.PropTimerDelayMs:
			ask.DelayMs = value
		case message.PropTimerDeliverMs:
			ask.DeliverMs = value
		case message.PropStartDeliverTime:
			ask.StartTime = value
		}
	}
	var props []byte
	switch {
	case level > 0:
		props, m.Topic, m.QueueID = b.delay.Levels().Transform([]byte(m.Properties), m.Topic, m.QueueID, level)
	case ask.Asked() && b.timer != nil:
		now, cfg := b.now(), b.config()
		at, err := ask.Deliver(now, cfg.TimerMaxDelay)
		if err != nil || at <= now.UnixMilli() {
			return
		}
		props = appendTimed([]byte(m.Properties), timer.Out(at, cfg.TimerPrecision().Milliseconds()), m.Topic, m.QueueID)
		m.Topic, m.QueueID = timer.Topic, 0
	default:
		return
	}
	m.Properties = aliasOf(props)
}

// endingDone is called by the leader when the message is stored, or is not.
func endingDone(p *store.Put) {
	e := p.Owner.(*ending)
	b := e.b
	stored := p.Result.Status == store.PutOK
	b.transactions.Finish(e.Offset, e.topic, stored)
	var err error
	if stored {
		b.transactions.Ended(true)
		b.stats.Put(e.count, p.QueueID, stats.Transaction, 1, e.bytes, e.ticket.Age())
	} else {
		b.stats.PutFailed(1)
		err = b.putError(p.Result.Status, p.Result.Err)
	}
	b.store.ReleasePut(p)
	if !e.ticket.Oneway() {
		b.touch(e.ticket.Conn())
	}
	e.answer(err)
}

// answer answers the request and gives the memory back.
func (e *ending) answer(err error) {
	if e.done != nil {
		e.done(err)
	} else if !e.ticket.Oneway() {
		reply := remoting.Reply{}
		if err != nil {
			reply.Code, reply.Remark = outcome(err)
		}
		e.ticket.Queue(reply)
	}
	e.release()
}
