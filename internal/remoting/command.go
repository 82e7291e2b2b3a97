package remoting

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Codec is the form of a frame's header; its value is the type byte on the wire.
type Codec uint8

// Header codecs. The codec of a response is the server's choice, not the
// request's; both ends read both.
const (
	CodecJSON   Codec = 0
	CodecBinary Codec = 1 // Java's ROCKETMQ; request codes above 32767 do not fit
)

// Bits of Command.Flag.
const (
	FlagResponse int32 = 1 << 0 // a response to the request with the same opaque
	FlagOneway   int32 = 1 << 1 // a request that is never answered
)

// Errors that callers branch on.
var (
	// ErrMalformed is in the chain of every decoding error.
	ErrMalformed = errors.New("malformed frame")
	// ErrClosed is returned for a connection, server or client that is closed.
	ErrClosed = errors.New("closed")
	// ErrBusy is returned when a limit of this side is reached: too many calls in
	// flight or a peer that does not read its output. Nothing was sent.
	ErrBusy = errors.New("too much in flight")
	// ErrTimeout is returned when no response came within the configured time.
	ErrTimeout = errors.New("no response in time")
)

// Field is one entry of a header's extFields.
type Field struct{ Key, Value string }

// Fields are the extFields of a header, in wire order. Nil means that the header
// has none, which is not the same on the wire as an empty object.
type Fields []Field

// Get returns the value of the last field with the key, as a Java map would.
func (f Fields) Get(key string) (string, bool) {
	for i := len(f) - 1; i >= 0; i-- {
		if f[i].Key == key {
			return f[i].Value, true
		}
	}
	return "", false
}

// Command is a request or a response. Code is a protocol.RequestCode in the one and
// a protocol.ResponseCode in the other. Empty remarks and bodies are absent ones.
type Command struct {
	Code     int32
	Language protocol.Language
	Version  int32
	Opaque   int32
	Flag     int32
	Remark   string
	Ext      Fields
	Body     []byte
	Codec    Codec
}

// IsResponse reports whether the command answers a request.
func (c *Command) IsResponse() bool { return c.Flag&FlagResponse != 0 }

// IsOneway reports whether nobody waits for an answer.
func (c *Command) IsOneway() bool { return c.Flag&FlagOneway != 0 }

// Err returns nil for a successful response, otherwise its code and remark.
func (c *Command) Err() error {
	if c.Code == int32(protocol.RespSuccess) {
		return nil
	}
	return &protocol.Error{Code: protocol.ResponseCode(c.Code), Remark: c.Remark}
}

// Clone returns a copy that shares no memory with c: what a handler takes to keep
// a command longer than its call.
func (c *Command) Clone() *Command {
	d := *c
	d.Remark = strings.Clone(c.Remark)
	d.Body = slices.Clone(c.Body)
	if c.Ext == nil {
		return &d
	}
	n := 0
	for _, f := range c.Ext {
		n += len(f.Key) + len(f.Value)
	}
	var text strings.Builder // one allocation for all keys and values
	text.Grow(n)
	d.Ext = make(Fields, len(c.Ext))
	for i, f := range c.Ext {
		at := text.Len()
		text.WriteString(f.Key)
		text.WriteString(f.Value)
		s := text.String()
		d.Ext[i] = Field{s[at : at+len(f.Key)], s[at+len(f.Key):]}
	}
	return &d
}

// size is about what a clone of c occupies, in bytes.
func (c *Command) size() int {
	n := 128 + len(c.Body) + len(c.Remark)
	for _, f := range c.Ext {
		n += 32 + len(f.Key) + len(f.Value)
	}
	return n
}

// Scratch is memory that decoding reuses: unescaped text and the slice of fields.
// What the last DecodeCommand returned is overwritten by the next one. The zero
// value is ready; a Scratch belongs to one goroutine.
type Scratch struct {
	text   []byte
	fields Fields
}

// Memory above these sizes is not kept for the next command: only odd or hostile
// headers need it.
const (
	keepText   = 64 << 10
	keepFields = 512
)

// trim drops what an unusually large command made s grow to.
func (s *Scratch) trim() {
	if cap(s.text) > keepText {
		s.text = nil
	}
	if cap(s.fields) > keepFields {
		s.fields = nil
	}
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
