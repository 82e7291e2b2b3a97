package compaction

import (
	"context"
	"hash/maphash"
	"path/filepath"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
)

// Result says what a compaction did.
type Result struct {
	Kept, Removed int64 // messages
	// Covered is the queue offset up to which the latest of each key is known to be
	// alone; the next compaction goes on there.
	Covered int64
}

// latest has the last offset of each key of a part of a queue.
type latest struct {
	seeds [2]maphash.Seed
	keys  map[[2]uint64]int64
	upTo  int64 // offset of the last message that was looked at
	max   int
}

func (l *latest) hash(key string) [2]uint64 {
	return [2]uint64{maphash.String(l.seeds[0], key), maphash.String(l.seeds[1], key)}
}

// add takes in the next message; false when there are too many keys, which are left
// for the next compaction.
func (l *latest) add(key string, offset int64) bool {
	h := l.hash(key)
	if _, known := l.keys[h]; !known && len(l.keys) >= l.max {
		return false
	}
	l.keys[h] = offset
	l.upTo = offset
	return true
}

// keeps tells whether a message stays.
func (l *latest) keeps(m *message.Message, key string) bool {
	if m.QueueOffset > l.upTo {
		return true
	}
	offset, known := l.keys[l.hash(key)]
	return (!known || m.QueueOffset >= offset) && len(m.Body) > 0
}

// Compact rewrites all segments but the newest without the messages that a later
// one of the same key supersedes. Offsets up to position were compacted before. It
// does nothing when there is nothing new; an end of ctx leaves all as it was.
func (q *Queue) Compact(ctx context.Context, position int64) (r Result, err error) {
	if q.failed != nil {
		return r, q.failed
	}
	r.Covered = position
	n := len(q.w.segments) - 1
	if n < 1 || maxOf(q.w.segments[:n])-1 <= position {
		return r, nil
	}
	old := q.w.segments[:n]
	l := latest{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, keys: make(map[[2]uint64]int64),
		upTo: position, max: q.cfg.MaxKeys,
	}
	if err := q.findLatest(ctx, old, position, &l); err != nil {
		return r, err
	}
	fresh, err := q.rewrite(ctx, old, &l, &r)
	if err != nil {
		return r, err
	}
	r.Covered = l.upTo
	if r.Removed == 0 {
		return r, q.clearCompacting()
	}
	s := swap{}
	for _, x := range old {
		s.Old = append(s.Old, x.base)
	}
	for _, x := range fresh {
		s.New = append(s.New, x.base)
	}
	if err := q.commitSwap(s); err != nil {
		return r, q.fail(err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.finishSwap(); err != nil {
		q.torn = q.fail(err)
		return r, q.torn
	}
	q.w.segments = append(fresh, q.w.segments[n:]...)
	q.segments = append([]segment(nil), q.w.segments...)
	return r, nil
}

// findLatest looks at the messages after position.
func (q *Queue) findLatest(ctx context.Context, old []segment, position int64, l *latest) error {
	for _, s := range old {
		var failed error
		more, err := q.readSegment(s, position+1, refusing(&failed, func(offset int64, rec []byte) bool {
			if failed = q.pace(ctx, len(rec)); failed != nil {
				return false
			}
			m, err := message.Parse(rec)
			if err != nil {
				failed = err
				return false
			}
			return l.add(keyOf(&m), offset)
		}))
		if err != nil || failed != nil || !more {
			return firstOf(err, failed)
		}
	}
	return nil
}

// rewrite writes the new generation to compacting and makes it durable.
func (q *Queue) rewrite(ctx context.Context, old []segment, l *latest, r *Result) ([]segment, error) {
	if err := q.clearCompacting(); err != nil {
		return nil, err
	}
	w := writer{cfg: q.cfg, logDir: filepath.Join(q.w.logDir, compacting), cqDir: filepath.Join(q.w.cqDir, compacting)}
	for _, dir := range []string{w.logDir, w.cqDir} {
		if err := makeDir(q.cfg.FS, dir); err != nil {
			return nil, err
		}
	}
	for _, s := range old {
		var failed error
		_, err := q.readSegment(s, 0, refusing(&failed, func(offset int64, rec []byte) bool {
			var m message.Message
			if m, failed = message.Parse(rec); failed != nil {
				return false
			}
			if !l.keeps(&m, keyOf(&m)) {
				r.Removed++
				return true
			}
			r.Kept++
			if failed = q.pace(ctx, len(rec)); failed != nil {
				return false
			}
			tags, _ := message.Property(m.Properties, message.PropTags)
			failed = w.add(rec, unit{tags: q.cfg.TagsCode(tags), time: m.StoreTimestamp, offset: offset})
			return failed == nil
		}))
		if err != nil || failed != nil {
			return nil, firstOf(firstOf(err, failed), w.close())
		}
	}
	return w.segments, w.seal()
}

// refusing is a visitor that takes damage for a failure: what cannot be read is not
// thrown away.
func refusing(failed *error, give func(int64, []byte) bool) Visitor {
	return Visitor{Give: give, Damaged: func(err error) bool { *failed = err; return false }}
}

// pace keeps a compaction from taking the disk away from the traffic.
func (q *Queue) pace(ctx context.Context, bytes int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return q.cfg.Pace(ctx, bytes)
}

// keyOf is what a message's key is: all of its KEYS, as in Java.
func keyOf(m *message.Message) string {
	keys, _ := message.Property(m.Properties, message.PropKeys)
	return strings.TrimSpace(keys)
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
