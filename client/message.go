package client

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Message is a message to send. The client does not change it and does not
// keep it after the send has ended.
type Message struct {
	Topic string
	Body  []byte // at least one byte

	Tag        string            // consumers can filter by it
	Keys       []string          // the message can be found by them; without blanks
	Properties map[string]string // the sender's own; names and values not empty
	Flag       int32             // opaque to everybody else

	// DelayLevel postpones delivery: 1 to 18 mean 1 s, 5 s, 10 s, 30 s, 1 to 10
	// minutes, 20 m, 30 m, 1 h and 2 h, unless the broker is configured
	// otherwise. 0 delivers at once.
	DelayLevel int

	// To sends to one queue; there is no retry elsewhere. Nil leaves the choice
	// to the producer.
	To *Queue
}

// Queue is one queue of a topic at one broker.
type Queue struct {
	Topic  string `json:"topic"`
	Broker string `json:"broker"` // broker name
	ID     int32  `json:"queueId"`
}

// String gives the queue as topic@broker/id.
func (q Queue) String() string {
	return q.Topic + "@" + q.Broker + "/" + strconv.Itoa(int(q.ID))
}

func queueOf(q cluster.Queue) Queue { return Queue{Topic: q.Topic, Broker: q.Broker, ID: q.ID} }

func queuesOf(all []cluster.Queue) []Queue {
	queues := make([]Queue, len(all))
	for i, q := range all {
		queues[i] = queueOf(q)
	}
	return queues
}

// SendStatus says how safe a stored message is.
type SendStatus int

// Statuses of a stored message.
const (
	SendOK                  SendStatus = iota
	SendFlushDiskTimeout               // stored; the disk did not confirm in time
	SendFlushReplicaTimeout            // stored; the replicas did not confirm in time
	SendReplicaNotAvailable            // stored; there is no replica to confirm
)

// String names the status as RocketMQ's clients do.
func (s SendStatus) String() string {
	switch s {
	case SendOK:
		return "SEND_OK"
	case SendFlushDiskTimeout:
		return "FLUSH_DISK_TIMEOUT"
	case SendFlushReplicaTimeout:
		return "FLUSH_SLAVE_TIMEOUT"
	case SendReplicaNotAvailable:
		return "SLAVE_NOT_AVAILABLE"
	}
	return "STATUS_" + strconv.Itoa(int(s))
}

// SendResult says where a message went.
type SendResult struct {
	ID       string // unique id, made by the producer
	OffsetID string // id made by the broker: its address and the place in its log
	Queue    Queue
	Offset   int64 // in the queue
	Status   SendStatus
}

// reservedProperties are those that clients and brokers use for themselves
// [MessageConst]; a sender may not set them by name.
var reservedProperties = []string{
	message.PropTags, message.PropKeys, message.PropUniqKey, message.PropWait, message.PropDelay, message.PropRealTopic,
	message.PropRealQueueID, message.PropRetryTopic, message.PropOriginMessageID, message.PropReconsumeTime,
	message.PropMaxReconsumeTimes, message.PropDLQOriginTopic, message.PropDLQOriginMessageID, message.PropProducerGroup,
	message.PropTransactionPrepared, message.PropInnerNum, message.PropInnerBase, message.PropInnerMultiDispatch,
	message.PropInnerMultiOffset, message.PropCluster, message.PropRegion, message.PropTraceOn, message.PropPopCheckpoint,
	message.PropPushReplyTime, message.PropCRC, "TRANSACTION_CHECK_TIMES", "__transactionId__", "TRAN_PREPARED_QUEUE_OFFSET",
	"TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS", "TIMER_ROLL_TIMES", "TIMER_DEL_UNIQKEY", "MIN_OFFSET", "MAX_OFFSET",
	"CONSUME_START_TIME", "POP_CK_OFFSET", "1ST_POP_TIME", "ARRIVE_TIME", "BUYER_ID", "TRANSFER_FLAG", "CORRECTION_FLAG", "MQ2_FLAG",
	"EXTEND_UNIQ_INFO", "DUP_INFO",
}

// Reserved tells whether a property name belongs to clients and brokers, so that
// Message.Properties must not have it.
func Reserved(name string) bool { return slices.Contains(reservedProperties, name) }

// outgoing is a message in the form in which it travels.
type outgoing struct {
	id    string
	props string
}

// encode checks a message and gives it an id.
func encode(m *Message, ids *message.UniqIDs, now time.Time, maxSize int) (outgoing, error) {
	var out outgoing
	if err := m.check(maxSize); err != nil {
		return out, fmt.Errorf("%w: topic %s: %w", ErrInvalidMessage, m.Topic, err)
	}
	out.id = ids.Next(now)
	var b []byte
	for name, value := range m.Properties {
		b = message.AppendProperty(b, name, value)
	}
	b = message.AppendProperty(b, message.PropTags, m.Tag)
	b = message.AppendProperty(b, message.PropKeys, strings.Join(m.Keys, " "))
	if m.DelayLevel > 0 {
		b = message.AppendProperty(b, message.PropDelay, strconv.Itoa(m.DelayLevel))
	}
	b = message.AppendProperty(b, message.PropUniqKey, out.id)
	b = message.AppendProperty(b, message.PropWait, "true")
	if len(b) > protocol.MaxPropertiesBytes {
		return out, fmt.Errorf("%w: topic %s: tag, keys and properties take %d bytes, limit %d", ErrInvalidMessage, m.Topic, len(b), protocol.MaxPropertiesBytes)
	}
	out.props = string(b)
	return out, nil
}

func (m *Message) check(maxSize int) error {
	if err := protocol.ValidateTopic(m.Topic); err != nil {
		return err
	}
	switch {
	case len(m.Body) == 0:
		return fmt.Errorf("the body is empty")
	case len(m.Body) > maxSize:
		return fmt.Errorf("the body has %d bytes, limit %d", len(m.Body), maxSize)
	case m.Tag != "" && !message.ValidProperty(m.Tag):
		return fmt.Errorf("tag %q has a control character", m.Tag)
	case m.DelayLevel < 0:
		return fmt.Errorf("delay level is %d, must not be negative", m.DelayLevel)
	case m.To != nil && m.To.Topic != m.Topic:
		return fmt.Errorf("queue %v is one of another topic", *m.To)
	}
	for _, key := range m.Keys {
		if !message.ValidProperty(key) || strings.Contains(key, " ") {
			return fmt.Errorf("key %q is empty or has a blank or control character", key)
		}
	}
	for name, value := range m.Properties {
		if !message.ValidProperty(name) || !message.ValidProperty(value) {
			return fmt.Errorf("property %q=%q is empty or has a control character", name, value)
		}
		if Reserved(name) {
			return fmt.Errorf("property name %s is reserved", name)
		}
	}
	return nil
}
