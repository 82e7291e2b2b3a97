package remoting

import (
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Limits of this decoder. Java has none; real headers have below 64 fields and a
// nesting of 2.
const (
	maxFields    = 1 << 14
	maxJSONDepth = 64
)

// jsonScanner reads the dialect that Java's fastjson2 accepts for a header: single
// or double quotes, numbers in quotes and with fractions, missing or trailing
// commas, unknown keys. It allocates nothing but growth of its Scratch.
type jsonScanner struct {
	data    []byte
	pos     int
	scratch *Scratch
}

// decodeJSON fills cmd from a JSON header. Keys are matched exactly; a duplicate
// key's last value counts; keys that are absent keep cmd's zero values.
func decodeJSON(header []byte, cmd *Command, scratch *Scratch) error {
	s := jsonScanner{data: header, scratch: scratch}
	s.space()
	if !s.take('{') {
		return s.fail("an object expected")
	}
	for {
		s.space()
		if s.take('}') {
			break
		}
		key, err := s.key()
		if err == nil {
			err = s.member(key, cmd)
		}
		if err != nil {
			return err
		}
		s.space()
		s.take(',') // fastjson2 does without
	}
	if s.space(); s.pos < len(s.data) {
		return s.fail("bytes after the header")
	}
	return nil
}

// member reads the value of a top-level key.
func (s *jsonScanner) member(key string, cmd *Command) (err error) {
	switch key {
	case "code":
		cmd.Code, err = s.int32()
	case "flag":
		cmd.Flag, err = s.int32()
	case "opaque":
		cmd.Opaque, err = s.int32()
	case "version":
		cmd.Version, err = s.int32()
	case "language":
		cmd.Language, err = s.language()
	case "remark":
		cmd.Remark, _, err = s.textOf()
	case "extFields":
		cmd.Ext, err = s.extFields()
	default:
		err = s.skip(0)
	}
	return err
}

func (s *jsonScanner) fail(what string) error {
	return malformed("JSON header: %s at byte %d", what, s.pos)
}

// peek returns the current byte, 0 at the end.
func (s *jsonScanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *jsonScanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// spaces are the bytes fastjson2 skips between tokens.
const spaces = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r' | 1<<'\f' | 1<<'\b' | 1<<0

func (s *jsonScanner) space() {
	for s.pos < len(s.data) && s.data[s.pos] <= ' ' && spaces>>s.data[s.pos]&1 != 0 {
		s.pos++
	}
}

// key reads a quoted key and its colon, and stops before the value.
func (s *jsonScanner) key() (string, error) {
	key, err := s.quoted()
	if err != nil {
		return "", err
	}
	s.space()
	if !s.take(':') {
		return "", s.fail("':' expected")
	}
	s.space()
	return key, nil
}

// token returns the run of bytes that may be a number or a literal.
func (s *jsonScanner) token() string {
	start := s.pos
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.' {
			s.pos++
			continue
		}
		break
	}
	return aliasString(s.data[start:s.pos])
}

// int32 reads an integer as fastjson2 does: also in quotes, with a fraction that is
// cut off, null and the empty string as 0, true as 1. An integer that does not fit
// is an error.
func (s *jsonScanner) int32() (int32, error) {
	var t string
	if c := s.peek(); c == '"' || c == '\'' {
		var err error
		if t, err = s.quoted(); err != nil {
			return 0, err
		}
		if t == "" {
			return 0, nil
		}
	} else {
		t = s.token()
	}
	if v, ok := parseInt(t, 32); ok {
		return int32(v), nil
	}
	switch t {
	case "null", "false":
		return 0, nil
	case "true":
		return 1, nil
	}
	v, ok := parseNumber(t)
	if !ok {
		return 0, s.fail("an integer expected")
	}
	return v, nil
}

// parseNumber reads a number with a fraction or exponent and cuts it to an int32; as
// a Java cast does, it saturates.
func parseNumber(t string) (int32, bool) {
	if !strings.ContainsAny(t, ".eE") || strings.ContainsAny(t, "xXpPnN_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil {
		return 0, false
	}
	return int32(max(-1<<31, min(f, 1<<31-1))), true
}

// language reads a name in any case or an ordinal. A name nobody knows is
// LanguageNone, an ordinal nobody knows an error.
func (s *jsonScanner) language() (protocol.Language, error) {
	l := protocol.LanguageNone
	switch c := s.peek(); {
	case c == '"' || c == '\'':
		name, err := s.quoted()
		if err != nil {
			return l, err
		}
		_ = l.UnmarshalText(aliasBytes(name)) // never fails, keeps nothing
		return l, nil
	case c == 'n':
		if s.token() == "null" {
			return l, nil
		}
	default:
		n, err := s.int32()
		if l = protocol.LanguageOf(byte(n)); err == nil && n >= 0 && n < 256 && l != protocol.LanguageNone {
			return l, nil
		}
	}
	return l, s.fail("a language expected")
}

// textOf reads a value as text: a string as it is, everything else as it is spelt.
// Null gives present false.
func (s *jsonScanner) textOf() (text string, present bool, err error) {
	switch c := s.peek(); c {
	case '"', '\'':
		text, err = s.quoted()
		return text, true, err
	case '{', '[':
		start := s.pos
		err = s.skip(0)
		return aliasString(s.data[start:s.pos]), true, err
	}
	start := s.pos
	if err = s.skip(0); err != nil {
		return "", false, err
	}
	if text = aliasString(s.data[start:s.pos]); text == "null" {
		return "", false, nil
	}
	return text, true, nil
}

// extFields reads the object of extra fields. Null and the empty string are no
// object.
func (s *jsonScanner) extFields() (Fields, error) {
	if c := s.peek(); c != '{' {
		text, _, err := s.textOf()
		if err == nil && text != "" {
			err = s.fail("an object expected")
		}
		return nil, err
	}
	s.pos++
	fields := s.scratch.fields[:0]
	if fields == nil {
		fields = make(Fields, 0, 32)
	}
	for {
		fields = s.plainFields(fields)
		s.space()
		if s.take('}') {
			s.scratch.fields = fields
			return fields, nil
		}
		key, err := s.key()
		if err != nil {
			return nil, err
		}
		value, present, err := s.textOf()
		if err != nil {
			return nil, err
		}
		if present {
			if len(fields) == maxFields {
				return nil, s.fail("too many fields")
			}
			fields = append(fields, Field{key, value})
		}
		s.space()
		s.take(',')
	}
}

// plainFields reads members as long as they look as programs write them: "key":"value",
// without space and escapes. It is extFields' loop for the usual case, which is most
// of the work of decoding; it stops at whatever else comes.
func (s *jsonScanner) plainFields(fields Fields) Fields {
	for len(fields) < maxFields {
		data := s.data[s.pos:]
		k := plainText(data)
		if k < 0 || k+2 >= len(data) || data[k+1] != ':' {
			break
		}
		value := data[k+2:]
		v := plainText(value)
		if v < 0 || v+1 >= len(value) {
			break
		}
		if c := value[v+1]; c == ',' {
			s.pos += k + 2 + v + 2
		} else if c == '}' {
			s.pos += k + 2 + v + 1
		} else {
			break
		}
		fields = append(fields, Field{aliasString(data[1:k]), aliasString(value[1:v])})
	}
	return fields
}

// skip reads over one value of any kind.
func (s *jsonScanner) skip(depth int) error {
	if depth > maxJSONDepth {
		return s.fail("nested too deeply")
	}
	switch c := s.peek(); c {
	case '"', '\'':
		_, err := s.quoted()
		return err
	case '{':
		return s.skipMembers('}', depth, true)
	case '[':
		return s.skipMembers(']', depth, false)
	}
	switch t := s.token(); t {
	case "null", "true", "false":
		return nil
	case "":
		return s.fail("a value expected")
	default:
		if !isNumber(t) {
			return s.fail("a number expected")
		}
		return nil
	}
}

func (s *jsonScanner) skipMembers(end byte, depth int, keyed bool) error {
	s.pos++
	for {
		s.space()
		if s.take(end) {
			return nil
		}
		if keyed {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		s.space()
		s.take(',')
	}
}

// isNumber reports whether t is spelt as a decimal number.
func isNumber(t string) bool {
	if _, ok := parseInt(t, 64); ok {
		return true
	}
	if strings.ContainsAny(t, "xXpPnN_") { // spellings only Go's parser knows
		return false
	}
	_, err := strconv.ParseFloat(t, 64)
	return err == nil
}
