package remoting

import (
	"encoding/binary"
	"unsafe"
)

// MaxFrame is Java's default limit of a whole frame with its four length bytes
// (com.rocketmq.remoting.frameMaxLength).
const MaxFrame = 16 << 20

const (
	lengthBytes = 4 // the length field, not counted by its own value
	markBytes   = 4 // codec and header length
	frameHeader = lengthBytes + markBytes
)

// splitFrame looks for a whole frame at the start of b. It returns the frame
// without its length field and the number of bytes consumed; consumed 0 means that
// the frame is not complete yet, and then need is the number of bytes of the whole
// frame as far as known. A length that is not positive or exceeds the limit is an
// error.
func splitFrame(b []byte, maxFrame int) (frame []byte, consumed, need int, err error) {
	if len(b) < lengthBytes {
		return nil, 0, lengthBytes, nil
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	if n <= 0 {
		return nil, 0, 0, malformed("frame length %d", n)
	}
	if n > maxFrame-lengthBytes {
		return nil, 0, 0, malformed("frame length %d exceeds %d", n, maxFrame-lengthBytes)
	}
	end := lengthBytes + n
	if len(b) < end {
		return nil, 0, end, nil
	}
	return b[lengthBytes:end:end], end, end, nil
}

// DecodeCommand decodes a frame without its four length bytes into cmd. All strings
// and the body alias frame or scratch: they are valid as long as frame is, and until
// the next DecodeCommand with the same scratch. Every error has ErrMalformed in its
// chain; Java closes the connection on all of them.
func DecodeCommand(frame []byte, cmd *Command, scratch *Scratch) error {
	if len(frame) < markBytes {
		return malformed("%d bytes are no frame", len(frame))
	}
	mark := binary.BigEndian.Uint32(frame)
	n := int(mark & 0xffffff)
	if n > len(frame)-markBytes {
		return malformed("header of %d bytes in a frame of %d", n, len(frame))
	}
	header := frame[markBytes : markBytes+n : markBytes+n]
	*cmd = Command{Codec: Codec(mark >> 24)}
	scratch.text = scratch.text[:0]
	var err error
	switch cmd.Codec {
	case CodecJSON:
		err = decodeJSON(header, cmd, scratch)
	case CodecBinary:
		err = decodeBinary(header, cmd, scratch)
	default:
		err = malformed("header codec %d", cmd.Codec)
	}
	if err != nil {
		return err
	}
	if body := frame[markBytes+n:]; len(body) > 0 {
		cmd.Body = body
	}
	return nil
}

// aliasString returns b's bytes as a string without copying them.
func aliasString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// aliasBytes is the opposite of aliasString; the result must not be changed.
func aliasBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
