package remoting

import (
	"encoding/binary"

	"github.com/aerobee/aerobee/internal/protocol"
)

// binaryFixed is the size of a binary header without remark and fields: code 2,
// language 1, version 2, opaque 4, flag 4, remark length 4, fields length 4.
const binaryFixed = 21

// decodeBinary fills cmd from a header in Java's ROCKETMQ form. Fields with an empty
// key or value are null in Java and left out here. Lengths are checked against the
// header alone, so that, unlike in Java, a field cannot reach into the body.
func decodeBinary(h []byte, cmd *Command, scratch *Scratch) error {
	if len(h) < binaryFixed {
		return malformed("binary header of %d bytes", len(h))
	}
	cmd.Code = int32(int16(binary.BigEndian.Uint16(h)))
	cmd.Language = protocol.LanguageOf(h[2])
	cmd.Version = int32(int16(binary.BigEndian.Uint16(h[3:])))
	cmd.Opaque = int32(binary.BigEndian.Uint32(h[5:]))
	cmd.Flag = int32(binary.BigEndian.Uint32(h[9:]))
	remark, h, err := binaryText(h[13:])
	if err != nil {
		return err
	}
	cmd.Remark = remark
	if len(h) < 4 {
		return malformed("binary header ends before its fields")
	}
	n := int(int32(binary.BigEndian.Uint32(h)))
	if h = h[4:]; n > len(h) {
		return malformed("binary fields of %d bytes, %d left", n, len(h))
	}
	if n <= 0 { // a negative length means none to Java, too
		return nil
	}
	cmd.Ext, err = binaryFields(h[:n], scratch)
	return err
}

func binaryFields(h []byte, scratch *Scratch) (Fields, error) {
	fields := scratch.fields[:0]
	if fields == nil {
		fields = make(Fields, 0, 32)
	}
	for len(h) > 0 {
		if len(h) < 2 {
			return nil, malformed("binary field without key")
		}
		n := int(int16(binary.BigEndian.Uint16(h)))
		if h = h[2:]; n < 0 || n > len(h) {
			return nil, malformed("binary key of %d bytes, %d left", n, len(h))
		}
		key := aliasString(h[:n])
		value, rest, err := binaryText(h[n:])
		if err != nil {
			return nil, err
		}
		h = rest
		if key == "" || value == "" {
			continue
		}
		if len(fields) == maxFields {
			return nil, malformed("more than %d binary fields", maxFields)
		}
		fields = append(fields, Field{key, value})
	}
	scratch.fields = fields
	return fields, nil
}

// binaryText reads a string with a 32-bit length and returns what follows it.
func binaryText(h []byte) (string, []byte, error) {
	if len(h) < 4 {
		return "", nil, malformed("binary text without length")
	}
	n := int(int32(binary.BigEndian.Uint32(h)))
	if h = h[4:]; n < 0 || n > len(h) {
		return "", nil, malformed("binary text of %d bytes, %d left", n, len(h))
	}
	return aliasString(h[:n]), h[n:], nil
}
