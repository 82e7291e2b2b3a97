package hold

import "time"

// Filter tells whether an entry is worth waking a request for. It is called
// with a lock held: it must be quick and call nothing back.
type Filter interface {
	MatchTags(tagsCode int64) bool
}

// Reason tells why a request was handed out.
type Reason uint8

// The reasons.
const (
	Arrived Reason = iota + 1 // an entry that the filter wants is in the queue, or any if Wake said so
	Expired                   // the deadline passed
	Woken                     // WakeAll
)

// Request is a pull that waits. The caller fills the fields in, parks it, and
// may reuse it after Resume or Dropped got it; in between it belongs to the
// table. A Request must not be copied while parked.
type Request struct {
	Topic   string // kept: must not alias a frame
	QueueID int32
	Offset  int64 // an entry at this offset or a later one ends the wait
	// Filter is nil to wake on every entry.
	Filter   Filter
	Conn     uint64    // identity of the connection, for CloseConn
	Deadline time.Time // of the table's clock
	Owner    any       // for the caller
	// Reason is set when the request is handed to Resume.
	Reason Reason

	queueNext, queuePrev *Request
	connNext, connPrev   *Request
	heapIndex            int
}

// queueKey names a queue within a shard.
type queueKey struct {
	topic string
	queue int32
}

// deadlines is a heap (container/heap) of the parked requests, the next due first.
type deadlines []*Request

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].Deadline.Before(d[j].Deadline) }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heapIndex, d[j].heapIndex = i, j
}

// Push implements heap.Interface.
func (d *deadlines) Push(x any) {
	r := x.(*Request)
	r.heapIndex = len(*d)
	*d = append(*d, r)
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	r := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return r
}
