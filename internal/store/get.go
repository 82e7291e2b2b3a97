package store

import (
	"errors"
	"sync"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// GetStatus is the outcome of a Get [GetMessageStatus].
type GetStatus uint8

// The outcomes of a Get.
const (
	Found GetStatus = iota
	NoMatchedMessage
	MessageWasRemoving
	OffsetFoundNull
	OffsetOverflowBadly
	OffsetOverflowOne
	OffsetTooSmall
	NoMatchedLogicQueue
	NoMessageInQueue
	OffsetReset
)

var getStatusNames = [...]string{
	"FOUND", "NO_MATCHED_MESSAGE", "MESSAGE_WAS_REMOVING", "OFFSET_FOUND_NULL", "OFFSET_OVERFLOW_BADLY",
	"OFFSET_OVERFLOW_ONE", "OFFSET_TOO_SMALL", "NO_MATCHED_LOGIC_QUEUE", "NO_MESSAGE_IN_QUEUE", "OFFSET_RESET",
}

// String is Java's name of the status, as it stands in the remark of a pull.
func (s GetStatus) String() string { return getStatusNames[s] }

// Filter chooses messages. Both methods are called from the goroutine of Get.
type Filter interface {
	// MatchTags decides by the queue's entry; only matches are read at all.
	MatchTags(tagsCode int64) bool
	// MatchRecord decides by the record.
	MatchRecord(rec []byte) bool
}

// GetRequest asks for messages of a queue from an offset on.
type GetRequest struct {
	Topic    string
	QueueID  int32
	Offset   int64
	MaxMsgs  int
	MaxBytes int    // 0: no limit but the store's
	Filter   Filter // nil: everything
}

// GetResult is what Get found.
type GetResult struct {
	Status     GetStatus
	NextOffset int64 // from where to go on
	MinOffset  int64
	MaxOffset  int64
	Count      int
	Bytes      int
	Cold       bool // read from far behind the end of the log
}

// Limits of one Get, as Java's defaults.
const (
	maxGetBytes     = 256 << 10 // maxTransferBytesOnMessageInMemory
	maxGetCount     = 32        // maxTransferCountOnMessageInMemory, if more are asked for: as asked
	maxGetBytesCold = 64 << 10  // maxTransferBytesOnMessageInDisk
	maxGetCountCold = 8         // maxTransferCountOnMessageInDisk
	minScanUnits    = 800       // 16000 bytes of units are looked at before giving up
)

// ColdDistance is how far behind the end of the log, in bytes, a record counts
// as cold: probably not in the page cache, so that reading it may block.
const ColdDistance = 1 << 30

// Get appends whole records of a queue to dst, at least one if there is any
// that matches within the units it looks at.
func (s *Store) Get(req GetRequest, dst []byte) (GetResult, []byte) {
	r, dst, err := s.get(req, dst)
	if err != nil {
		s.cfg.Logger.Error("read of a consume queue", "topic", req.Topic, "queue", req.QueueID, "offset", req.Offset, "error", err)
		r.Status, r.NextOffset = OffsetFoundNull, req.Offset
	}
	if r.Status == Found {
		s.counters.gets.Add(int64(r.Count))
		s.counters.getBytes.Add(int64(r.Bytes))
	} else {
		s.counters.getsMissed.Add(1)
	}
	return r, dst
}

func (s *Store) get(req GetRequest, dst []byte) (r GetResult, _ []byte, err error) {
	q, err := s.queues.Lookup(req.Topic, req.QueueID)
	if err != nil {
		return r, dst, err
	}
	if q == nil {
		r.Status = NoMessageInQueue
		return r, dst, nil
	}
	r.MaxOffset = q.Max()
	if r.MinOffset, err = q.Min(); err != nil {
		return r, dst, err
	}
	if kept := s.kept.set.Lookup(req.Topic, req.QueueID); kept != nil {
		return s.getKept(kept, q, req, r, dst)
	}
	return s.getQueued(q, req, r, dst)
}

// getQueued is Get from a consume queue.
func (s *Store) getQueued(q *cqueue.Queue, req GetRequest, r GetResult, dst []byte) (_ GetResult, _ []byte, err error) {
	switch {
	case r.MaxOffset == 0:
		r.Status = NoMessageInQueue
	case req.Offset < r.MinOffset:
		r.Status, r.NextOffset = OffsetTooSmall, r.MinOffset
	case req.Offset == r.MaxOffset:
		r.Status, r.NextOffset = OffsetOverflowOne, req.Offset
	case req.Offset > r.MaxOffset:
		r.Status, r.NextOffset = OffsetOverflowBadly, r.MaxOffset
	default:
		g := getters.Get().(*getter)
		defer getters.Put(g)
		if q.IsBatch() {
			dst, err = g.scanBatch(s, q, &req, &r, dst)
		} else {
			dst, err = g.scan(s, q, &req, &r, dst)
		}
	}
	return r, dst, err
}

// getter is the working memory of a Get.
type getter struct {
	units   [128]cqueue.Unit
	run     stretch
	damaged bool // a record of the last run is; NextOffset is behind it
}

var getters = sync.Pool{New: func() any { return new(getter) }}

// stretch is a part of the log whose records are all wanted, not yet read.
// Its units are consecutive in the queue: a record between them would be of it too.
type stretch struct {
	from, to int64 // physical offsets
	offset   int64 // queue offset of the first record
	count    int
}

func (g *getter) scan(s *Store, q *cqueue.Queue, req *GetRequest, r *GetResult, dst []byte) ([]byte, error) {
	r.Status, r.NextOffset = NoMatchedMessage, req.Offset
	g.run, g.damaged = stretch{}, false
	logEnd, logMin := s.log.End(), s.log.Min()
	base := len(dst)
	bytes := 0 // chosen, read or in the run
	scanLimit := req.Offset + int64(max(minScanUnits, req.MaxMsgs))
	for r.NextOffset < r.MaxOffset && r.NextOffset < scanLimit {
		n, err := q.Read(g.units[:min(int64(len(g.units)), r.MaxOffset-r.NextOffset)], r.NextOffset)
		if err != nil {
			return dst, err
		}
		if n == 0 {
			break
		}
		full := false
		for _, u := range g.units[:n] {
			if u.Phy < logMin || !s.plausible(u, logEnd) {
				if r.Status == NoMatchedMessage {
					r.Status = MessageWasRemoving
				}
				r.NextOffset++
				continue
			}
			if req.Filter != nil && !matchTags(req.Filter, q, u) {
				r.NextOffset++
				continue
			}
			cold := logEnd-u.Phy > ColdDistance
			count := r.Count + g.run.count
			if full = count > 0 && isFull(req, count, bytes+int(u.Size), cold); full {
				break
			}
			r.Cold = r.Cold || cold
			r.NextOffset++
			if u.Phy != g.run.to {
				if dst, err = g.read(s, req, r, dst); err != nil {
					return dst, err
				}
				if g.damaged {
					break
				}
				g.run = stretch{from: u.Phy, offset: r.NextOffset - 1}
			}
			g.run.to = u.Phy + int64(u.Size)
			g.run.count++
			bytes += int(u.Size)
			if count+1 >= req.MaxMsgs {
				full = true
				break
			}
		}
		if full {
			if dst, err = g.read(s, req, r, dst); err != nil {
				return dst, err
			}
			if r.Count > 0 || req.Filter == nil {
				break
			}
			bytes = 0
		}
		if g.damaged {
			break
		}
	}
	dst, err := g.read(s, req, r, dst)
	r.Bytes = len(dst) - base
	if r.Count > 0 {
		r.Status = Found
	}
	return dst, err
}

// plausible tells whether a unit can be what it should be; damage on disk is
// passed over, so that a queue does not stop at it.
func (s *Store) plausible(u cqueue.Unit, logEnd int64) bool {
	return u.Size >= message.MinRecordSize && int64(u.Size) < s.log.FileSize() && u.Phy+int64(u.Size) <= logEnd
}

// isFull tells whether a message that brings the total to bytes is too much
// for a reply that has count already.
func isFull(req *GetRequest, count, bytes int, cold bool) bool {
	maxCount, maxBytes := max(maxGetCount, req.MaxMsgs), maxGetBytes
	if cold {
		maxCount, maxBytes = maxGetCountCold, maxGetBytesCold
	}
	if req.MaxBytes > 0 {
		maxBytes = min(maxBytes, req.MaxBytes)
	}
	return count >= maxCount || bytes > maxBytes
}

// read appends the records of the run that the filter accepts.
func (g *getter) read(s *Store, req *GetRequest, r *GetResult, dst []byte) ([]byte, error) {
	if g.run.count == 0 {
		return dst, nil
	}
	from, size, offset := g.run.from, int(g.run.to-g.run.from), g.run.offset
	g.run = stretch{}
	at := len(dst)
	dst = grow(dst, size)
	err := s.log.ReadAt(dst[at:], from)
	if errors.Is(err, commitlog.ErrNotFound) && from < s.log.Min() {
		if r.Status == NoMatchedMessage {
			r.Status = MessageWasRemoving // deleted since we looked
		}
		return dst[:at], nil
	}
	if err != nil {
		return dst[:at], err
	}
	kept := at
	for rest := dst[at:]; len(rest) > 0; {
		n, magic, ok := message.Size(rest)
		if !ok || n < message.MinRecordSize || int(n) > len(rest) || magic != message.MagicV1 && magic != message.MagicV2 {
			s.cfg.Logger.Error("damaged record is passed over", "topic", req.Topic, "queue", req.QueueID, "offset", offset, "physical", from+int64(len(dst)-at-len(rest)))
			g.damaged, r.NextOffset = true, offset+1
			break
		}
		rec := rest[:n]
		rest = rest[n:]
		offset++
		if rolledBack(rec) {
			continue // stands for a damaged record, see Rebuild
		}
		if req.Filter == nil || req.Filter.MatchRecord(rec) {
			kept += copy(dst[kept:], rec)
			r.Count++
		}
	}
	return dst[:kept], nil
}

// grow lengthens b by n bytes of any content.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}
