package offsets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/journal"
	"github.com/aerobee/aerobee/internal/protocol"
)

// recordBytes is about how much goes into one record of the journal.
const recordBytes = 1 << 20

// content is what is read of consumerOffset.json, and of a record of the journal.
type content struct {
	DataVersion *protocol.DataVersion      `json:"dataVersion"`
	OffsetTable map[string]map[int32]int64 `json:"offsetTable"` // topic@group -> queue -> offset
	Removed     []string                   `json:"removed"`     // topic@group, before the offsets; in records only
	// LMQOffsetTable is what groups with the name of a light queue have instead, in
	// lmqConsumerOffset.json alone: topic@group -> offset.
	LMQOffsetTable map[string]int64 `json:"lmqOffsetTable"`
}

// Open returns a table with what the file, or its previous generation, and its
// journal hold. A missing file is an empty table; one of which neither generation
// can be read is an error that names it.
func Open(cfg Config) (*Table, error) {
	t := newTable(cfg)
	var err error
	t.journal, err = journal.Open(journal.Config{
		FS: cfg.FS, Path: cfg.Path, Log: cfg.Log, Now: t.cfg.Now, Load: t.load, Apply: t.replay, Write: t.write,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer offsets: %w", err)
	}
	return t, nil
}

func (t *Table) load(data []byte) error {
	t.clear()
	return t.take(data, false)
}

func (t *Table) replay(record []byte) error { return t.take(record, true) }

// take reads a file or a record into the table, which nobody else has yet. In a
// file an offset below zero is none; in a record it takes one away.
func (t *Table) take(data []byte, record bool) error {
	var c content
	if err := javajson.Unmarshal(data, &c); err != nil {
		return err
	}
	if c.DataVersion != nil {
		t.version.DataVersion = *c.DataVersion
	}
	for name, offset := range c.LMQOffsetTable {
		if c.OffsetTable == nil {
			c.OffsetTable = make(map[string]map[int32]int64)
		}
		c.OffsetTable[name] = map[int32]int64{0: offset}
	}
	for _, name := range c.Removed {
		if k, ok := parseName(name); ok {
			if s := t.shard(k.Group, k.Topic); s.pairs[k] != nil {
				t.removeLocked(s, k)
			}
		}
	}
	for name, queues := range c.OffsetTable {
		k, ok := parseName(name)
		if !ok {
			continue // as Java, which never finds such a key again
		}
		if err := t.takePair(k, queues, record); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (t *Table) takePair(k Pair, queues map[int32]int64, record bool) error {
	s := t.shard(k.Group, k.Topic)
	for queue, offset := range queues {
		if offset < 0 && !record {
			continue
		}
		p, err := t.progressLocked(s, k)
		if err != nil {
			return err
		}
		_, at := p.place(queue)
		if at == nil {
			return ErrTooMany
		}
		at.committed = max(offset, none)
	}
	return nil
}

func (k Pair) name() string { return k.Topic + Separator + k.Group }

func parseName(name string) (Pair, bool) {
	topic, group, ok := strings.Cut(name, Separator)
	return Pair{group, topic}, ok && topic != "" && group != ""
}

// write writes the file. Each time it has a new version, so that no two
// generations are alike.
func (t *Table) write(w io.Writer) error {
	t.nextVersion()
	if err := t.stream(javajson.NewStream(w)); err != nil {
		return err
	}
	return t.follow()
}

func (t *Table) follow() error {
	if t.cfg.Follow == nil {
		return nil
	}
	return t.cfg.Follow()
}

// Encode returns the table as GET_ALL_CONSUMER_OFFSET answers it, in fastjson's
// dialect with unquoted queue numbers.
func (t *Table) Encode() []byte {
	var out bytes.Buffer
	_ = t.stream(javajson.NewCompactStream(&out)) // a buffer takes everything
	return out.Bytes()
}

// stream writes what consumerOffset.json has. Java reads dataVersion and
// offsetTable only.
func (t *Table) stream(s *javajson.Stream) error {
	pairs := t.Pairs()
	s.Member("dataVersion", t.DataVersion())
	s.Open("groupTopicMap")
	for rest := pairs; len(rest) > 0; {
		group, topics := rest[0].Group, []string(nil)
		for len(rest) > 0 && rest[0].Group == group {
			if t.Known(rest[0]) {
				topics = append(topics, rest[0].Topic)
			}
			rest = rest[1:]
		}
		if len(topics) > 0 && !strings.Contains(group, Separator) {
			s.Member(group, topics)
		}
	}
	s.End()
	var entries []entry
	table := func(name string, which func(*position) int64) {
		s.Open(name)
		for _, k := range pairs {
			if name == "offsetTable" && t.isLight(k) {
				continue
			}
			if entries = t.copyOf(k, entries[:0], which); len(entries) > 0 {
				writePair(s, k, entries)
			}
		}
		s.End()
	}
	table("offsetTable", committed)
	table("pullOffsetTable", pulled)
	if t.cfg.LMQ {
		s.Open("lmqOffsetTable")
		for _, k := range pairs {
			if entries = t.copyOf(k, entries[:0], committed); t.isLight(k) && len(entries) > 0 {
				s.Member(k.name(), entries[0].offset)
			}
		}
		s.End()
	}
	return s.Close()
}

// isLight tells whether a pair is in the table of groups with names of light queues.
func (t *Table) isLight(k Pair) bool { return t.cfg.LMQ && protocol.IsLMQ(k.Group) }

func writePair(s *javajson.Stream, k Pair, entries []entry) {
	s.Open(k.name())
	for _, e := range entries {
		s.Number(e.queue, e.offset)
	}
	s.End()
}

// Persist makes the committed offsets durable, and writes the file if it is time.
// It costs as much as has changed since it was called last.
func (t *Table) Persist() error {
	t.gather()
	if err := t.follow(); err != nil {
		return fmt.Errorf("consumer offsets: %w", err)
	}
	if err := errors.Join(t.journal.Maintain(), t.journal.Flush()); err != nil {
		return fmt.Errorf("consumer offsets: %w", err)
	}
	return nil
}

// Close makes the file complete. The table must not be used afterwards.
func (t *Table) Close() error {
	t.gather()
	if err := t.follow(); err != nil {
		return fmt.Errorf("consumer offsets: %w", err)
	}
	if err := t.journal.Close(); err != nil {
		return fmt.Errorf("consumer offsets: %w", err)
	}
	return nil
}

// gather hands the changes to the journal.
func (t *Table) gather() {
	t.persist.Lock()
	defer t.persist.Unlock()
	if t.cfg.Before != nil {
		t.cfg.Before()
	}
	var r record
	for i := range t.shards {
		r.add(&t.shards[i])
		if r.out.Len() >= recordBytes {
			t.journal.Append(r.finish(t.DataVersion()))
		}
	}
	if r.s != nil {
		t.journal.Append(r.finish(t.DataVersion()))
	}
}

// record is a record of the journal in the making.
type record struct {
	out     bytes.Buffer
	s       *javajson.Stream // nil: nothing yet
	removed []string
	entries []entry
}

// add takes over what has changed in a shard.
func (r *record) add(s *shard) {
	s.Lock()
	defer s.Unlock()
	if len(s.removed)+len(s.dirty) == 0 {
		return
	}
	if r.s == nil {
		r.out.Reset()
		r.s, r.removed = javajson.NewCompactStream(&r.out), nil
		r.s.Open("offsetTable")
	}
	for k := range s.removed {
		r.removed = append(r.removed, k.name())
	}
	for _, p := range s.dirty {
		if p.gone {
			continue
		}
		p.dirty = false
		r.entries = r.entries[:0]
		for i := range p.pages {
			g := &p.pages[i]
			for ; g.dirty != 0; g.dirty &= g.dirty - 1 {
				at := bits.TrailingZeros64(g.dirty)
				r.entries = append(r.entries, entry{g.number<<pageBits | int32(at), g.at[at].committed})
			}
		}
		writePair(r.s, p.pair, r.entries)
	}
	clear(s.removed)
	clear(s.dirty)
	s.dirty = s.dirty[:0]
}

// finish gives the encoded record.
func (r *record) finish(version protocol.DataVersion) []byte {
	r.s.End()
	r.s.Member("dataVersion", version)
	if len(r.removed) > 0 {
		r.s.Member("removed", r.removed)
	}
	_ = r.s.Close() // a buffer takes everything
	r.s = nil
	return r.out.Bytes()
}

// Run persists the table every interval until ctx ends. interval is asked anew
// each time. A failure is logged and tried again; whoever stops the broker calls
// Close after Run has returned.
func (t *Table) Run(ctx context.Context, interval func() time.Duration) error {
	timer := time.NewTimer(interval())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := t.Persist(); err != nil {
			t.cfg.Log.Error("consumer offsets not saved", slog.Any("error", err))
		}
		timer.Reset(max(interval(), time.Millisecond))
	}
}
