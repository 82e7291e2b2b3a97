package client

import (
	"context"
	"fmt"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Position is a place in a queue: an offset, one of its ends, or a time. Make one
// with AtOffset, AtBegin, AtEnd or AtTime; the zero value is offset 0.
type Position struct {
	kind   positionKind
	offset int64
	at     time.Time
}

type positionKind uint8

const (
	positionOffset positionKind = iota
	positionBegin
	positionEnd
	positionTime
)

// AtOffset is an offset. One outside the queue is taken for the nearer end.
func AtOffset(offset int64) Position { return Position{kind: positionOffset, offset: offset} }

// AtBegin is the oldest message that the broker still has.
func AtBegin() Position { return Position{kind: positionBegin} }

// AtEnd is behind the newest message.
func AtEnd() Position { return Position{kind: positionEnd} }

// AtTime is the first message stored at or after t, to the millisecond.
func AtTime(t time.Time) Position { return Position{kind: positionTime, at: t} }

// String describes the position.
func (p Position) String() string {
	switch p.kind {
	case positionBegin:
		return "begin"
	case positionEnd:
		return "end"
	case positionTime:
		return p.at.Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("offset %d", p.offset)
}

// resolve asks the broker for the offset of a position.
func resolve(ctx context.Context, c *cluster.Cluster, addr string, q Queue, p Position) (int64, error) {
	var req cluster.Request
	switch p.kind {
	case positionBegin:
		req.Code = protocol.ReqGetMinOffset
		req.Header = &protocol.GetMinOffsetRequest{Topic: q.Topic, QueueID: q.ID, BrokerName: q.Broker}
	case positionEnd:
		req.Code = protocol.ReqGetMaxOffset
		req.Header = &protocol.GetMaxOffsetRequest{Topic: q.Topic, QueueID: q.ID, BrokerName: q.Broker}
	case positionTime:
		req.Code = protocol.ReqSearchOffsetByTimestamp
		req.Header = &protocol.SearchOffsetRequest{
			Topic: q.Topic, QueueID: q.ID, Timestamp: p.at.UnixMilli(), BoundaryType: "LOWER", BrokerName: q.Broker,
		}
	default:
		return max(p.offset, 0), nil
	}
	resp, err := c.Call(ctx, addr, req)
	if err != nil {
		return 0, fmt.Errorf("queue %v: offset of %v: %w", q, p, err)
	}
	var h protocol.GetMaxOffsetResponse // all three answers have the one field
	if err := cluster.Bind(addr, resp, &h); err != nil {
		return 0, fmt.Errorf("queue %v: offset of %v: %w", q, p, err)
	}
	return h.Offset, nil
}
