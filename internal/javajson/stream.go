package javajson

import (
	"io"
	"reflect"
)

// streamBytes is how much a Stream gathers before it writes.
const streamBytes = 64 << 10

// Stream writes one object member by member, for tables that are too big to have
// in memory a second time. The members are written in the order in which they
// come, in the form of MarshalPretty or, for Compact, of Marshal. After an error
// of the writer everything is dropped; Close returns it.
type Stream struct {
	w     io.Writer
	e     encoder
	empty []bool // of the open objects: no member yet
	err   error
}

// NewStream begins an object in the form of MarshalPretty.
func NewStream(w io.Writer) *Stream { return newStream(w, style{quoteKeys: true, pretty: true}) }

// NewCompactStream begins an object in the form of Marshal.
func NewCompactStream(w io.Writer) *Stream { return newStream(w, style{}) }

func newStream(w io.Writer, s style) *Stream {
	t := &Stream{w: w, e: encoder{style: s, out: make([]byte, 0, streamBytes+4<<10)}}
	t.begin()
	return t
}

func (s *Stream) begin() {
	s.e.open('{')
	s.empty = append(s.empty, true)
}

func (s *Stream) key(key string) {
	last := len(s.empty) - 1
	s.e.separate(s.empty[last])
	s.empty[last] = false
	s.e.out = append(appendString(s.e.out, key), ':')
}

// Open begins an object as a member of the present one.
func (s *Stream) Open(key string) {
	s.key(key)
	s.begin()
}

// End ends the object of the last Open.
func (s *Stream) End() {
	last := len(s.empty) - 1
	s.e.close('}', s.empty[last])
	s.empty = s.empty[:last]
	s.flush(streamBytes)
}

// Member writes a member.
func (s *Stream) Member(key string, v any) {
	s.key(key)
	s.e.value(reflect.ValueOf(v))
	s.flush(streamBytes)
}

// Number writes a member with an integer as its key.
func (s *Stream) Number(key int32, v int64) {
	last := len(s.empty) - 1
	s.e.separate(s.empty[last])
	s.empty[last] = false
	s.e.number(int64(key), s.e.quoteKeys)
	s.e.out = append(s.e.out, ':')
	s.e.number(v, false)
	s.flush(streamBytes)
}

// flush hands what was gathered to the writer when it is at least so many bytes.
func (s *Stream) flush(least int) {
	if len(s.e.out) < least {
		return
	}
	if s.err == nil {
		_, s.err = s.w.Write(s.e.out)
	}
	s.e.out = s.e.out[:0]
}

// Close ends the object and writes what is left.
func (s *Stream) Close() error {
	s.End()
	s.flush(0)
	return s.err
}
