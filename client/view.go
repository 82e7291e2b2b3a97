package client

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client/internal/compression"
	"github.com/aerobee/aerobee/internal/message"
)

// MessageView is a message as a broker delivered it. It must not be changed;
// the messages of one delivery may share memory.
type MessageView struct {
	Queue  Queue
	Offset int64 // in the queue

	Body       []byte // unpacked, if the sender had compressed it
	Properties map[string]string
	Flag       int32
	SysFlag    int32

	BornAt         time.Time // clock of the sender
	BornHost       netip.AddrPort
	StoredAt       time.Time // clock of the broker
	StoreHost      netip.AddrPort
	ReconsumeTimes int32
	LogOffset      int64 // place in the broker's commit log
	Size           int   // bytes in the broker's commit log

	// PreparedTransactionOffset is the log offset of the half message that this
	// message completes, or 0.
	PreparedTransactionOffset int64
}

// ID is the unique id that the sender gave the message, or its offset id if
// it has none.
func (m *MessageView) ID() string {
	if id := m.Properties[message.PropUniqKey]; id != "" {
		return id
	}
	return m.OffsetID()
}

// OffsetID is the id that says where the message is: the broker's address and
// the place in its log.
func (m *MessageView) OffsetID() string { return message.OffsetID(m.StoreHost, m.LogOffset) }

// Topic is the topic the message was delivered from.
func (m *MessageView) Topic() string { return m.Queue.Topic }

// Tag is the message's tag, or empty.
func (m *MessageView) Tag() string { return m.Properties[message.PropTags] }

// Keys are the keys the message can be found by.
func (m *MessageView) Keys() []string { return strings.Fields(m.Properties[message.PropKeys]) }

// DecodeMessages reads stored records, back to back as brokers deliver them.
// broker is the name for MessageView.Queue. Records that hold a batch come out
// as the messages in it.
func DecodeMessages(records []byte, broker string) ([]*MessageView, error) {
	var views []*MessageView
	for at := 0; at < len(records); {
		size, _, ok := message.Size(records[at:])
		if !ok || size <= 0 || int(size) > len(records)-at {
			return views, fmt.Errorf("%w: record of %d bytes at byte %d of %d", message.ErrCorrupt, size, at, len(records))
		}
		m, err := message.Parse(records[at : at+int(size)])
		if err != nil {
			return views, fmt.Errorf("record at byte %d of %d: %w", at, len(records), err)
		}
		if views, err = appendViews(views, &m, broker, int(size)); err != nil {
			return views, fmt.Errorf("record at byte %d of %d: %w", at, len(records), err)
		}
		at += int(size)
	}
	return views, nil
}

func appendViews(views []*MessageView, m *message.Message, broker string, size int) ([]*MessageView, error) {
	v := newView(m, broker, size)
	if m.SysFlag&(message.FlagInnerBatch|message.FlagNeedUnwrap) == message.FlagInnerBatch|message.FlagNeedUnwrap {
		return appendInner(views, v, m.Body)
	}
	var err error
	if v.Body, err = compression.Decompress(m.SysFlag, m.Body); err != nil {
		return views, fmt.Errorf("message %s: %w", v.ID(), err)
	}
	return append(views, v), nil
}

// appendInner unwraps a record that holds a client's batch: its messages have
// consecutive queue offsets from INNER_BASE on.
func appendInner(views []*MessageView, outer *MessageView, batch []byte) ([]*MessageView, error) {
	base := outer.Offset
	if b, err := strconv.ParseInt(outer.Properties[message.PropInnerBase], 10, 64); err == nil {
		base = b
	}
	for item, err := range message.BatchItems(batch) {
		if err != nil {
			return views, err
		}
		v := *outer
		v.Offset, v.Flag, v.Body = base, item.Flag, item.Body
		v.SysFlag &^= message.FlagInnerBatch | message.FlagNeedUnwrap
		v.Properties = propertiesOf(item.Properties)
		views = append(views, &v)
		base++
	}
	return views, nil
}

func newView(m *message.Message, broker string, size int) *MessageView {
	return &MessageView{
		Queue:  Queue{Topic: m.Topic, Broker: broker, ID: m.QueueID},
		Offset: m.QueueOffset, Properties: propertiesOf(m.Properties), Flag: m.Flag, SysFlag: m.SysFlag,
		BornAt: time.UnixMilli(m.BornTimestamp), BornHost: m.BornHost,
		StoredAt: time.UnixMilli(m.StoreTimestamp), StoreHost: m.StoreHost,
		ReconsumeTimes: m.ReconsumeTimes, LogOffset: m.PhysicalOffset, Size: size,
		PreparedTransactionOffset: m.PreparedTransactionOffset,
	}
}

func propertiesOf(encoded string) map[string]string {
	return maps.Collect(message.Properties(encoded))
}
