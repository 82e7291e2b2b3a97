package broker

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// sending is a send request on its way through the store. It is reused; what it
// holds aliases the request's frame until the message is encoded.
type sending struct {
	b      *Broker
	ticket remoting.Ticket
	header protocol.SendMessageRequest
	props  sendProps
	msg    message.Message

	// What the answer and the statistics need after the frame is gone.
	topic    string // that counts it, in memory that is not reused
	batched  bool   // the topic has batch queues
	messages int    // in one record, if it is a batch
	queueID  int32  // as the answer says it
	kind     stats.Kind
	bytes    int64  // of the records
	uniqKey  []byte // of a single message
	recall   string // handle, of a message that waits in the timer
	ids      []byte
	response protocol.SendMessageResponse
}

// sendMessage serves SEND_MESSAGE, SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE
// (remoting.md 5.1). Whether the body is a batch says the header, not the code.
// The answer is queued when the message is stored; AfterBatch commits.
func (b *Broker) sendMessage(c *remoting.Call) error {
	s := b.acquireSending(c)
	p := b.store.AcquirePut()
	if err := s.prepare(c, p); err != nil {
		b.refuseSend(s.ticket, err)
		b.store.ReleasePut(p)
		b.releaseSending(s)
		return nil
	}
	p.Owner, p.Done = s, sendingDone
	b.store.Enqueue(p)
	return nil
}

func (b *Broker) acquireSending(c *remoting.Call) *sending {
	s, _ := b.traffic.sends.Get().(*sending)
	if s == nil {
		s = &sending{b: b}
	}
	s.ticket = c.Ticket
	return s
}

// maxPooledProps is the size, in bytes, above which a sending's memory is not kept.
const maxPooledProps = 64 << 10

func (b *Broker) releaseSending(s *sending) {
	if cap(s.props.buf) > maxPooledProps || cap(s.ids) > maxPooledProps {
		return
	}
	*s = sending{b: b, props: sendProps{buf: s.props.buf[:0]}, uniqKey: s.uniqKey[:0], ids: s.ids[:0]}
	b.traffic.sends.Put(s)
}

// prepare checks the request and fills the put in.
func (s *sending) prepare(c *remoting.Call, p *store.Put) error {
	if err := remoting.BindAlias(c.Ext, &s.header); err != nil {
		return err
	}
	if len(c.Body) == 0 {
		return protocol.Errorf(protocol.RespSystemError, "the message has no body, which must have at least 1 byte")
	}
	topic, err := s.b.admitSend(&s.header, c)
	if err != nil {
		return err
	}
	s.props.read(s.header.Properties)
	s.begin(c, topic)
	if s.header.Batch {
		return s.addBatch(c, topic, p)
	}
	return s.addSingle(c, topic, p)
}

// begin fills in what single messages and batches have in common.
func (s *sending) begin(c *remoting.Call, topic *protocol.TopicConfig) {
	h := &s.header
	s.queueID = h.QueueID
	if s.queueID < 0 {
		s.queueID = randomQueue(topic)
	}
	s.topic, s.batched = topic.TopicName, hasBatchQueues(topic)
	s.msg = message.Message{
		Topic: topic.TopicName, QueueID: s.queueID, Flag: h.Flag, SysFlag: sysFlagFor(topic, h.SysFlag),
		BornTimestamp: h.BornTimestamp, BornHost: unmapped(c.Conn().RemoteAddr()), StoreHost: s.b.traffic.host,
		ReconsumeTimes: h.ReconsumeTimes,
	}
}

// randomQueue chooses a queue to write to; admitSend has seen that there is one.
func randomQueue(topic *protocol.TopicConfig) int32 { return rand.Int32N(max(topic.WriteQueueNums, 1)) }

func sysFlagFor(topic *protocol.TopicConfig, sysFlag int32) int32 {
	if topic.TopicFilterType == protocol.MultiTag {
		return sysFlag | message.FlagMultiTags
	}
	return sysFlag
}

// unmapped is a host in the form in which it is stored: IPv4 as IPv4.
func unmapped(host netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(host.Addr().Unmap(), host.Port())
}

// addSingle completes a single message and adds it to the put.
func (s *sending) addSingle(c *remoting.Call, topic *protocol.TopicConfig, p *store.Put) error {
	s.msg.Body = c.Body
	s.kind = s.props.kind()
	level := s.props.delayLevel()
	redirected, err := s.retryOrDeadLetter(c)
	if err != nil {
		return err
	}
	if redirected {
		level, s.props.delay = 0, "-1"
	}
	if err := s.refuseUnsupported(topic, level); err != nil {
		return err
	}
	if s.props.uniqKey != "" {
		s.uniqKey = append(s.uniqKey[:0], s.props.uniqKey...)
	} else {
		s.uniqKey = append(s.uniqKey[:0], s.props.addUniqKey(s.newUniqKey)...)
	}
	s.addLite(topic)
	s.addPriority(topic)
	if err := s.addTimer(level); err != nil {
		return err
	}
	s.addDelay(level)
	s.props.buf = append(s.props.buf, s.b.props().text...)
	s.msg.Properties = s.props.text()
	return s.add(p)
}

func (s *sending) newUniqKey(dst []byte) []byte { return s.b.traffic.uniq.Append(dst, s.b.now()) }

// add encodes the message into the put.
func (s *sending) add(p *store.Put) error {
	p.Topic, p.QueueID, p.Batch = s.msg.Topic, s.msg.QueueID, s.batched
	if err := p.Add(&s.msg); err != nil {
		return s.b.putError(store.StatusOf(err), err)
	}
	s.bytes += recordSize(&s.msg)
	return nil
}

// recordSize is the size of a message's record, for the statistics: exact for
// IPv4 addresses.
func recordSize(m *message.Message) int64 {
	return int64(message.MinRecordSize + len(m.Topic) + len(m.Properties) + len(m.Body))
}

// refuseUnsupported refuses what would need a part of the broker that is not
// there: half messages.
func (s *sending) refuseUnsupported(topic *protocol.TopicConfig, level int32) error {
	switch {
	case s.props.half && !(s.msg.ReconsumeTimes > 0 && level > 0):
		return protocol.Errorf(protocol.RespNoPermission, "the broker[%s] sending transaction message is forbidden", s.b.config().BrokerIP1)
	case s.props.innerNum || s.msg.SysFlag&message.FlagInnerBatch != 0:
		return protocol.Errorf(protocol.RespMessageIllegal, "the message to topic %s says that it is a batch inside one record, but was not sent as a batch", topic.TopicName)
	case topic.Attributes["cleanup.policy"] == "COMPACTION" && strings.TrimSpace(s.props.keys) == "":
		return protocol.Errorf(protocol.RespMessageIllegal, "Required message key is missing")
	}
	return nil
}

// delayable tells whether the transaction type lets a message be delayed.
func (s *sending) delayable() bool {
	t := s.msg.SysFlag & message.FlagTransactionMask
	return t == 0 || t == message.FlagTransactionDone
}

func (s *sending) addLite(topic *protocol.TopicConfig) {
	dispatch := s.props.dispatch
	if s.props.liteTopic != "" {
		dispatch = protocol.LiteQueueName(topic.TopicName, s.props.liteTopic)
	}
	s.props.add(message.PropInnerMultiDispatch, dispatch)
}

// addPriority sends a message of type PRIORITY to the queue of its priority. The
// property of a message of another type is not stored.
func (s *sending) addPriority(topic *protocol.TopicConfig) {
	if level, ok := s.props.priorityLevel(); ok {
		s.queueID = max(min(level, topic.WriteQueueNums-1), 0)
		s.msg.QueueID = s.queueID
		s.props.add(message.PropPriority, s.props.priority)
	}
}

// addDelay sends a message with a delay level to the queue in which it waits.
// The answer still names the queue it was sent to.
func (s *sending) addDelay(level int32) {
	if level <= 0 || !s.delayable() {
		s.props.add(message.PropDelay, s.props.delay)
		return
	}
	levels := s.b.delay.Levels()
	if level > levels.Max() {
		s.props.delay = strconv.Itoa(int(levels.Max()))
	}
	s.props.add(message.PropDelay, s.props.delay)
	s.props.buf, s.msg.Topic, s.msg.QueueID = levels.Transform(s.props.buf, s.msg.Topic, s.msg.QueueID, level)
	s.batched = s.batched && s.msg.Topic == s.topic
	s.topic = s.msg.Topic // the topic it goes to counts it when it is delivered
}
