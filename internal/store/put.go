package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
)

// PutStatus says what became of a Put [PutMessageStatus].
type PutStatus uint8

// The outcomes of a Put. Only PutOK means that the messages are stored.
const (
	PutOK PutStatus = iota
	PutMessageIllegal
	PutPropertiesSizeExceeded
	PutServiceNotAvailable // disk full, fenced, closed
	PutCreateFileFailed
	PutUnknownError
)

func (s PutStatus) String() string {
	switch s {
	case PutOK:
		return "PUT_OK"
	case PutMessageIllegal:
		return "MESSAGE_ILLEGAL"
	case PutPropertiesSizeExceeded:
		return "PROPERTIES_SIZE_EXCEEDED"
	case PutServiceNotAvailable:
		return "SERVICE_NOT_AVAILABLE"
	case PutCreateFileFailed:
		return "CREATE_MAPPED_FILE_FAILED"
	default:
		return "UNKNOWN_ERROR"
	}
}

// PutError is a refusal with its status.
type PutError struct {
	Status PutStatus
	Reason string
}

func (e *PutError) Error() string { return e.Reason }

func refuse(status PutStatus, format string, args ...any) *PutError {
	return &PutError{status, fmt.Sprintf(format, args...)}
}

// StatusOf is the status of an error of Add or of a PutResult.
func StatusOf(err error) PutStatus {
	var pe *PutError
	switch {
	case err == nil:
		return PutOK
	case errors.As(err, &pe):
		return pe.Status
	default:
		return PutUnknownError
	}
}

// PutResult is what became of a Put.
type PutResult struct {
	Status         PutStatus
	Err            error // why, when not PutOK
	PhysicalOffset int64 // of the first record
	QueueOffset    int64 // of the first record that has a place in the queue; 0 if none has
	StoreTimestamp int64 // ms, of all records
	Count          int
	Offsets        []int64 // physical, of each record; valid until ReleasePut
}

// entry is what queue and index need to know of one record of a Put.
type entry struct {
	size     int32
	keys     int32 // how many of Put.hashes are this record's
	count    int32 // messages in it; of a put to a batch queue only
	tagsCode int64
	delay    int64 // ms; positive: the tags code is the store time plus this
	aside    bool  // of a type that has no place in the queue: see queued
}

// unit is the consume queue's entry for a record at phy that is stored at a time
// in ms.
func (e *entry) unit(phy, storeTime int64) cqueue.Unit {
	u := cqueue.Unit{Phy: phy, Size: e.size, TagsCode: e.tagsCode, Count: e.count, StoreTime: storeTime}
	if e.delay > 0 {
		u.TagsCode = storeTime + e.delay
	}
	return u
}

// Put is one or several records on their way to one queue. Get it from
// AcquirePut, set Topic, QueueID and Done, Add messages, Enqueue it, and give it
// back with ReleasePut when Done was called. It belongs to its user until
// Enqueue and from Done on.
type Put struct {
	Topic   string // may alias a buffer until Enqueue
	QueueID int32
	Batch   bool // the topic has queue.type=BatchCQ: add one record at most
	Split   bool // the messages of a client batch, which are not dispatched to light queues
	// Done is called once, by the leader, which must not be kept waiting.
	Done func(*Put)
	// Owner and Token are the caller's.
	Owner any
	// Result is set before Done is called.
	Result PutResult

	store   *Store
	queue   *cqueue.Queue
	buf     []byte // encoded records
	entries []entry
	hashes  []int32
	inner   bool            // the record holds several messages
	light   []*cqueue.Queue // that the record is dispatched to as well
}

// maxPooledPut is the buffer size, in bytes, above which a Put is not reused.
const maxPooledPut = 256 << 10

// AcquirePut returns an empty Put.
func (s *Store) AcquirePut() *Put {
	p, _ := s.puts.Get().(*Put)
	if p == nil {
		p = &Put{}
	}
	p.store = s
	return p
}

// ReleasePut takes a Put back for reuse. Nothing of it may be used any more.
func (s *Store) ReleasePut(p *Put) {
	for _, q := range p.light {
		q.Unpin()
	}
	if cap(p.buf) > maxPooledPut {
		return
	}
	*p = Put{
		buf: p.buf[:0], entries: p.entries[:0], hashes: p.hashes[:0], light: p.light[:0],
		Result: PutResult{Offsets: p.Result.Offsets[:0]},
	}
	s.puts.Put(p)
}

// Add encodes m as the next record. The message's Topic and QueueID count for
// the record; the Put's for the queue: they must be the same. Nothing of m is
// kept. Errors are *PutError.
func (p *Put) Add(m *message.Message) error {
	s := p.store
	if len(m.Body) > s.cfg.MaxMessageSize {
		return refuse(PutMessageIllegal, "message body of %d bytes, at most %d are allowed", len(m.Body), s.cfg.MaxMessageSize)
	}
	if !m.StoreHost.IsValid() {
		m.StoreHost = s.cfg.StoreHost
	}
	if p.Batch || s.cfg.MultiDispatch && !p.Split {
		if err := p.prepareStamp(m); err != nil {
			return err
		}
	}
	at := len(p.buf)
	buf, err := message.AppendRecord(p.buf, m, s.record)
	switch {
	case errors.Is(err, message.ErrPropertiesTooLarge):
		return refuse(PutPropertiesSizeExceeded, "properties of %d bytes, at most %d are allowed", len(m.Properties), message.MaxPropertiesLength)
	case err != nil:
		return refuse(PutMessageIllegal, "%v", err)
	case int64(len(buf)) > s.cfg.CommitLogFileSize-message.BlankSize:
		return refuse(PutMessageIllegal, "message of %d bytes does not fit into a commit log file", len(buf))
	}
	p.buf = buf
	e := entry{size: int32(len(buf) - at)}
	p.describe(&e, m)
	if p.Batch {
		e.count = innerCount(m.Properties)
	}
	p.entries = append(p.entries, e)
	return nil
}

// describe reads off the properties what queue and index need. The index gets
// unique key, keys and tags in Java's order.
func (p *Put) describe(e *entry, m *message.Message) {
	var uniq, keys, tags string
	e.aside = !queued(m.SysFlag)
	for k, v := range message.Properties(m.Properties) {
		switch k {
		case message.PropTags:
			tags = v
		case message.PropUniqKey:
			uniq = v
		case message.PropKeys:
			keys = v
		case message.PropDelay:
			if m.Topic == ScheduleTopic {
				e.delay = p.store.delayOf(v)
			}
		}
	}
	if tags != "" {
		e.tagsCode = TagsCode(tags)
	}
	if !p.store.cfg.Index || m.SysFlag&message.FlagTransactionMask == message.FlagTransactionUndo {
		return
	}
	before := len(p.hashes)
	if uniq != "" {
		p.hashes = append(p.hashes, index.Hash(m.Topic, uniq))
	}
	for len(keys) > 0 {
		key, rest, _ := strings.Cut(keys, " ")
		if key != "" {
			p.hashes = append(p.hashes, index.Hash(m.Topic, key))
		}
		keys = rest
	}
	if tags != "" {
		p.hashes = append(p.hashes, index.TagsHash(m.Topic, tags))
	}
	e.keys = int32(len(p.hashes) - before)
}

// describeStored describes a record that is in the log, and nothing else.
func (p *Put) describeStored(size int32, m *message.Message) entry {
	e := entry{size: size}
	p.hashes = p.hashes[:0]
	p.describe(&e, m)
	return e
}

// appendKeys appends the index keys of the record that was described last.
func (p *Put) appendKeys(dst []index.Key, phy, storeTime int64) []index.Key {
	for _, h := range p.hashes {
		dst = append(dst, index.Key{Hash: h, Phy: phy, StoreTime: storeTime})
	}
	return dst
}

// TagsCode is the tags code of a message with these tags: Java's
// String.hashCode, sign extended. No tags have 0.
func TagsCode(tags string) int64 {
	var h int32
	for _, r := range tags {
		if r >= 0x10000 {
			r -= 0x10000
			h = h*31 + (0xD800 + r>>10)
			r = 0xDC00 + r&0x3FF
		}
		h = h*31 + r
	}
	return int64(h)
}

// delayOf is the delay in ms of a DELAY property; 0 for no level. A level above
// the last is the last.
func (s *Store) delayOf(property string) int64 {
	level, err := strconv.Atoi(property)
	levels := s.cfg.DelayLevels
	if err != nil || level <= 0 || len(levels) == 0 {
		return 0
	}
	return levels[min(level, len(levels))-1].Milliseconds()
}

// Put stores one message and waits until it is complete or ctx ends; then it
// may still be stored. For internal writers; request handlers use Enqueue.
func (s *Store) Put(ctx context.Context, m *message.Message) PutResult {
	done := make(chan PutResult, 1)
	p := s.AcquirePut()
	p.Topic, p.QueueID = m.Topic, m.QueueID
	p.Done = func(p *Put) {
		r := p.Result
		r.Offsets = nil
		s.ReleasePut(p)
		done <- r
	}
	if err := p.Add(m); err != nil {
		s.ReleasePut(p)
		return PutResult{Status: StatusOf(err), Err: err}
	}
	s.Enqueue(p)
	s.Commit()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		return PutResult{Status: PutUnknownError, Err: ctx.Err()}
	}
}

func (s *Store) millis() int64 { return s.cfg.Now().UnixMilli() }
