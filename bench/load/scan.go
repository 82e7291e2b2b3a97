package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxFrame is the largest response that is accepted, Java's own limit.
const maxFrame = 16 << 20

var errResponse = errors.New("not a response that can be understood")

// response is what the generator looks at. Header and body alias the reader's
// buffer and are valid until the next read.
type response struct {
	slot   int // which request it answers
	code   int32
	header []byte
	body   []byte
	// Where the last JSON header had its members: answers are alike, so that the
	// next one has them there too, mostly. Code comes first; the others are
	// counted from the end, behind the fields of varying length.
	codeAt, flagFromEnd, opaqueFromEnd int
}

// reader splits a connection's bytes into responses.
type reader struct {
	r    io.Reader
	buf  []byte
	at   int // start of what has not been split yet
	have int // end of what was read
}

func newReader(r io.Reader, size int) *reader { return &reader{r: r, buf: make([]byte, size)} }

// fill reads once, after making room. It blocks until something is there.
func (r *reader) fill() error {
	if r.at == r.have {
		r.at, r.have = 0, 0
	} else if r.have == len(r.buf) {
		if r.at == 0 {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		r.have = copy(r.buf, r.buf[r.at:r.have])
		r.at = 0
	}
	n, err := r.r.Read(r.buf[r.have:])
	r.have += n
	if n > 0 {
		return nil
	}
	return err
}

// next gives the next whole response that is already here. Requests of the
// server itself (it may announce something) are passed over.
func (r *reader) next(resp *response) (ok bool, err error) {
	for {
		b := r.buf[r.at:r.have]
		if len(b) < 8 {
			return false, nil
		}
		size := int(binary.BigEndian.Uint32(b))
		head := int(binary.BigEndian.Uint32(b[4:]) & 0xFFFFFF)
		if size < 4 || size > maxFrame || head > size-4 {
			return false, fmt.Errorf("%w: frame of %d bytes with a header of %d", errResponse, size, head)
		}
		if len(b) < 4+size {
			return false, nil
		}
		r.at += 4 + size
		isResponse, err := resp.parse(b[4], b[8:8+head], b[8+head:4+size])
		if err != nil || isResponse {
			return err == nil, err
		}
	}
}

func (resp *response) parse(codec byte, head, body []byte) (isResponse bool, err error) {
	var code, opaque, flag int64
	ok := false
	if codec == 1 {
		if ok = len(head) >= 21; ok {
			code = int64(int16(binary.BigEndian.Uint16(head)))
			opaque = int64(int32(binary.BigEndian.Uint32(head[5:])))
			flag = int64(int32(binary.BigEndian.Uint32(head[9:])))
		}
	} else {
		n := len(head)
		resp.codeAt = find(head, `"code":`, resp.codeAt)
		resp.flagFromEnd = n - find(head, `"flag":`, n-resp.flagFromEnd)
		resp.opaqueFromEnd = n - find(head, `"opaque":`, n-resp.opaqueFromEnd)
		var ok1, ok2, ok3 bool
		code, ok1 = digits(head[min(resp.codeAt+len(`"code":`), n):])
		flag, ok2 = digits(head[min(n-resp.flagFromEnd+len(`"flag":`), n):])
		opaque, ok3 = digits(head[min(n-resp.opaqueFromEnd+len(`"opaque":`), n):])
		ok = ok1 && ok2 && ok3
	}
	if !ok {
		return false, fmt.Errorf("%w: header %.200q", errResponse, head)
	}
	resp.slot, resp.code, resp.header, resp.body = int(opaque-opaqueBase), int32(code), head, body
	return flag&1 != 0, nil
}

// find gives the place of a member of a JSON header, the header's length if it
// has none. It looks at a place that is likely first. A key of that name inside
// a string would have its quotes escaped, so a hit is the member itself.
func find(head []byte, key string, likely int) int {
	if likely >= 0 && likely+len(key) <= len(head) && string(head[likely:likely+len(key)]) == key {
		return likely
	}
	if i := bytes.Index(head, []byte(key)); i >= 0 {
		return i
	}
	return len(head)
}

// nextOffset finds where a pull goes on. Extra fields are strings in the JSON
// header; the binary one writes the value's length, four bytes, after the key.
func (resp *response) nextOffset() (int64, bool) {
	const quoted, plain = `"nextBeginOffset":"`, `nextBeginOffset`
	if i := bytes.Index(resp.header, []byte(quoted)); i >= 0 {
		return digits(resp.header[i+len(quoted):])
	}
	i := bytes.Index(resp.header, []byte(plain))
	if i < 0 || len(resp.header) < i+len(plain)+4 {
		return 0, false
	}
	return digits(resp.header[i+len(plain)+4:])
}

func digits(b []byte) (v int64, ok bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	for i, c := range b {
		if c < '0' || c > '9' || i > 18 {
			break
		}
		v, ok = v*10+int64(c-'0'), true
	}
	if negative {
		v = -v
	}
	return v, ok
}
