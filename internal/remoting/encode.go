package remoting

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/aerobee/aerobee/internal/protocol"
)

// outgoing is a command about to be encoded, with its fields still in a struct.
type outgoing struct {
	codec    Codec
	language protocol.Language
	code     int32
	version  int32
	opaque   int32
	flag     int32
	remark   string
	plan     *plan          // of the header, nil if there is none
	base     unsafe.Pointer // the header's address
	ext      []Field
	hasExt   bool // write extFields though there may be no field
	body     []byte
}

// AppendCommand appends the whole frame of cmd with its length field to dst. A Code
// or Version that the binary codec cannot hold, an over-long key and a frame above
// MaxFrame are errors; dst is then returned as it was.
func AppendCommand(dst []byte, cmd *Command) ([]byte, error) {
	o := outgoing{
		codec: cmd.Codec, language: cmd.Language, code: cmd.Code, version: cmd.Version, opaque: cmd.Opaque,
		flag: cmd.Flag, remark: cmd.Remark, ext: cmd.Ext, hasExt: cmd.Ext != nil, body: cmd.Body,
	}
	return appendFrame(dst, &o)
}

// frameSizeHint is an upper guess of what o occupies when nothing needs escapes and
// the header struct is of usual size.
func frameSizeHint(o *outgoing) int {
	n := 512 + len(o.remark) + len(o.body)
	for i := range o.ext {
		n += 8 + len(o.ext[i].Key) + len(o.ext[i].Value)
	}
	return n
}

func appendFrame(dst []byte, o *outgoing) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	var err error
	switch o.codec {
	case CodecJSON:
		dst = appendJSONHeader(dst, o)
	case CodecBinary:
		dst, err = appendBinaryHeader(dst, o)
	default:
		err = fmt.Errorf("encode command %d: no codec %d", o.code, o.codec)
	}
	if err != nil {
		return dst[:start], err
	}
	header := len(dst) - start - frameHeader
	if total := len(dst) - start + len(o.body); total > MaxFrame || header > 0xffffff {
		return dst[:start], fmt.Errorf("encode command %d: frame of %d bytes exceeds %d", o.code, total, MaxFrame)
	}
	dst = append(dst, o.body...)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-lengthBytes))
	binary.BigEndian.PutUint32(dst[start+lengthBytes:], uint32(o.codec)<<24|uint32(header))
	return dst, nil
}

// appendJSONHeader writes the keys in Java's order, which is alphabetical.
func appendJSONHeader(dst []byte, o *outgoing) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(o.code), 10)
	if o.hasExt || o.plan != nil || len(o.ext) > 0 {
		dst = append(dst, `,"extFields":{`...)
		dst = appendJSONFields(dst, o)
		dst = append(dst, '}')
	}
	dst = append(dst, `,"flag":`...)
	dst = strconv.AppendInt(dst, int64(o.flag), 10)
	if o.language == protocol.LanguageJava {
		dst = append(dst, `,"language":"JAVA"`...)
	} else if name := o.language.String(); name != "" {
		dst = append(dst, `,"language":"`...)
		dst = append(dst, name...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"opaque":`...)
	dst = strconv.AppendInt(dst, int64(o.opaque), 10)
	if o.remark != "" {
		dst = append(dst, `,"remark":`...)
		dst = appendQuoted(dst, o.remark)
	}
	dst = append(dst, `,"serializeTypeCurrentRPC":"JSON","version":`...)
	if o.version == protocol.Version {
		dst = append(dst, "513"...)
	} else {
		dst = strconv.AppendInt(dst, int64(o.version), 10)
	}
	return append(dst, '}')
}

// appendJSONFields writes the members of extFields. All values are strings.
func appendJSONFields(dst []byte, o *outgoing) []byte {
	first := len(dst)
	if o.plan != nil {
		for i := range o.plan.fields {
			f := &o.plan.fields[i]
			if !f.present(o.base) {
				continue
			}
			if len(dst) > first {
				dst = append(dst, ',')
			}
			dst = append(dst, f.json[0]...)
			dst = f.appendJSON(dst, o.base)
		}
	}
	for i := range o.ext {
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, o.ext[i].Key)
		dst = append(dst, ':')
		dst = appendQuoted(dst, o.ext[i].Value)
	}
	return dst
}

// appendJSON writes the field's value and the closing quote.
func (f *headerField) appendJSON(dst []byte, base unsafe.Pointer) []byte {
	if f.kind == kindString {
		dst = appendEscaped(dst, *(*string)(at(base, f.offset)))
	} else {
		dst = f.appendText(dst, base)
	}
	return append(dst, '"')
}

// appendText writes the field's value as it is.
func (f *headerField) appendText(dst []byte, base unsafe.Pointer) []byte {
	from := at(base, f.offset)
	switch f.kind {
	case kindInt32:
		return strconv.AppendInt(dst, int64(*(*int32)(from)), 10)
	case kindInt64:
		return strconv.AppendInt(dst, *(*int64)(from), 10)
	case kindBool:
		return strconv.AppendBool(dst, *(*bool)(from))
	default:
		return append(dst, *(*string)(from)...)
	}
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped escapes what JSON demands and nothing more, as fastjson2 does:
// quotes, backslashes and control bytes.
func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := plainPrefix(s); i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
		}
	}
	return append(dst, s[from:]...)
}

// appendBinaryHeader writes Java's ROCKETMQ form. Empty keys and values are left
// out: they would be read as null.
func appendBinaryHeader(dst []byte, o *outgoing) ([]byte, error) {
	if o.code != int32(int16(o.code)) || o.version != int32(int16(o.version)) {
		return dst, fmt.Errorf("encode command %d, version %d: the binary header has 16 bits for each", o.code, o.version)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(o.code))
	dst = append(dst, byte(o.language))
	dst = binary.BigEndian.AppendUint16(dst, uint16(o.version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(o.opaque))
	dst = binary.BigEndian.AppendUint32(dst, uint32(o.flag))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(o.remark)))
	dst = append(dst, o.remark...)
	mark := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	if o.plan != nil {
		for i := range o.plan.fields {
			f := &o.plan.fields[i]
			if f.present(o.base) {
				dst = f.appendBinary(dst, o.base)
			}
		}
	}
	for i := range o.ext {
		key, value := o.ext[i].Key, o.ext[i].Value
		if len(key) > math.MaxInt16 {
			return dst, fmt.Errorf("encode command %d: field name of %d bytes", o.code, len(key))
		}
		if key == "" || value == "" {
			continue
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(key)))
		dst = append(dst, key...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
		dst = append(dst, value...)
	}
	binary.BigEndian.PutUint32(dst[mark:], uint32(len(dst)-mark-4))
	return dst, nil
}

// appendBinary writes a header field with its long name; an empty text is left out.
func (f *headerField) appendBinary(dst []byte, base unsafe.Pointer) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.name)))
	dst = append(dst, f.name...)
	mark := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = f.appendText(dst, base)
	n := len(dst) - mark - 4
	if n == 0 {
		return dst[:start]
	}
	binary.BigEndian.PutUint32(dst[mark:], uint32(n))
	return dst
}
