package transaction

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// HalfProps appends to the properties of a half message those that remember
// where it wants to go, and its id. props must not hold them already.
func HalfProps(props []byte, topic string, queueID int32, id string) []byte {
	props = message.AppendProperty(props, message.PropTransactionID, id)
	props = message.AppendProperty(props, message.PropRealTopic, topic)
	return message.AppendProperty(props, message.PropRealQueueID, strconv.Itoa(int(queueID)))
}

// record is a half message read from the log, with what its properties say.
type record struct {
	message.Message
	topic    string // real
	queue    int32
	group    string // of its producers
	id       string
	immunity time.Duration // when hasImmunity
	origin   int64         // position of its first record, -1 if this is it
	checks   int32

	hasImmunity bool
}

// parse reads a half message. Of one with broken properties the error says what
// is wrong; the message is complete as far as it could be read.
func parse(rec []byte) (r record, err error) {
	r.origin, r.queue = -1, -1
	if r.Message, err = message.Parse(rec); err != nil {
		return r, err
	}
	for name, value := range message.Properties(r.Properties) {
		switch name {
		case message.PropRealTopic:
			r.topic = value
		case message.PropRealQueueID:
			r.queue = int32(number(value, -1, math.MaxInt32))
		case message.PropProducerGroup:
			r.group = value
		case message.PropUniqKey:
			r.id = value
		case message.PropTransactionChecks:
			r.checks = int32(max(number(value, 0, math.MaxInt32), 0))
		case message.PropTransactionOrigin:
			r.origin = number(value, -1, math.MaxInt64)
		case message.PropTransactionImmunity:
			seconds := number(value, -1, math.MaxInt32)
			r.hasImmunity, r.immunity = seconds >= 0, time.Duration(max(seconds, 0))*time.Second
		}
	}
	if r.topic == "" || r.queue < 0 {
		return r, fmt.Errorf("half message at %d has no destination: topic %q, queue %d", r.PhysicalOffset, r.topic, r.queue)
	}
	return r, nil
}

func number(text string, otherwise, most int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < otherwise || n > most {
		return otherwise
	}
	return n
}

// due is when a producer may be asked first, in ms. What was born in the future
// is due at once, as in Java.
func (r *record) due(timeout time.Duration, now int64) int64 {
	wait := timeout
	if r.hasImmunity {
		wait = r.immunity
	}
	if r.BornTimestamp > now {
		return now
	}
	return r.BornTimestamp + wait.Milliseconds()
}

// props are the properties of the record without some, with the number of checks
// if there were any.
func (r *record) props(dst []byte, checks int32, without ...string) []byte {
	for name, value := range message.Properties(r.Properties) {
		if name == message.PropTransactionChecks || name == message.PropCRC || contains(without, name) {
			continue
		}
		dst = message.AppendProperty(dst, name, value)
	}
	if checks > 0 {
		dst = message.AppendProperty(dst, message.PropTransactionChecks, strconv.Itoa(int(checks)))
	}
	return dst
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// real is the message that a commit stores. Its properties lie in dst.
func (r *record) real(dst []byte, checks int32) (message.Message, []byte) {
	m := r.Message
	dst = r.props(dst, max(checks, r.checks), message.PropRealTopic, message.PropRealQueueID)
	m.Topic, m.QueueID = r.topic, r.queue
	m.SysFlag = m.SysFlag&^message.FlagTransactionMask | message.FlagTransactionDone
	m.PreparedTransactionOffset = r.PhysicalOffset
	return m, dst
}

// exhausted is the message that is stored when nobody is asked any more.
func (r *record) exhausted(checks int32) message.Message {
	m := r.Message
	m.Topic, m.QueueID, m.PreparedTransactionOffset = protocol.TransCheckMaxTopic, 0, 0
	m.Properties = string(r.props(nil, max(checks, r.checks)))
	return m
}

// again is the message that stands for the record from now on, at the end of the
// half queue. It tells a Java broker where the first one was.
func (r *record) again(checks int32, origin int64) message.Message {
	m := r.Message
	m.Topic, m.QueueID, m.PreparedTransactionOffset = protocol.HalfTopic, 0, 0
	props := r.props(nil, checks, message.PropTransactionOrigin)
	if origin >= 0 {
		props = message.AppendProperty(props, message.PropTransactionOrigin, strconv.FormatInt(origin, 10))
	}
	m.Properties = string(props)
	return m
}

// question is the record that a producer is asked about, as Java sends it: with
// the real destination, and the number of this check.
func (r *record) question(check int32) ([]byte, error) {
	m := r.Message
	m.Topic, m.QueueID = r.topic, r.queue
	m.Properties = string(r.props(nil, check))
	rec, err := message.AppendRecord(nil, &m, message.Options{})
	if err != nil {
		return nil, err
	}
	message.Finish(rec, m.QueueOffset, m.PhysicalOffset, m.StoreTimestamp, message.Options{})
	return rec, nil
}
