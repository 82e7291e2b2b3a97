package namesrv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zlib"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Limits of a compressed registration body. The frame limit bounds the
// compressed bytes only.
const (
	// maxInflated is about a million topics; what does not fit comes in chunks
	// (enableSplitRegistration).
	maxInflated = 256 << 20
	// maxPart bounds one length-prefixed part: a topic with its attributes, a
	// version, a list of filter servers.
	maxPart = 1 << 20
)

// bodyLimits bounds what a body may become.
type bodyLimits struct {
	topics   int
	inflated int64 // bytes; see maxInflated
}

// errBody is in the chain of every error about a registration body.
var errBody = errors.New("failed to decode RegisterBrokerBody")

// registerBody is what a registration body says.
type registerBody struct {
	version  protocol.DataVersion
	topics   []TopicEntry
	mappings []protocol.TopicQueueMappingInfo
	filters  []string // nil when the body does not say
}

// decodeBody reads the body of code 103.
//
// Brokers from version 5.0 on set compressed to false even when they compress
// the body, so a zlib header decides as well: JSON cannot start with 0x78.
func decodeBody(body []byte, compressed bool, version int32, most bodyLimits) (*registerBody, error) {
	if len(body) == 0 {
		return &registerBody{filters: []string{}}, nil
	}
	var b *registerBody
	var err error
	if compressed || body[0] == 0x78 {
		b, err = inflateBody(bytes.NewReader(body), version, most)
	} else {
		b, err = plainBody(body, version)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	return b, nil
}

// checkCRC compares Java's checksum of a body: CRC-32 without the top bit, 0 for
// unchecked.
func checkCRC(body []byte, want int32) bool {
	return want == 0 || int32(crc32.ChecksumIEEE(body)&0x7FFFFFFF) == want
}

// plainBody reads the JSON form. Before VersionRegisterBody it was only the
// topic table.
func plainBody(body []byte, version int32) (*registerBody, error) {
	var whole protocol.RegisterBrokerBody
	into := any(&whole)
	if version < protocol.VersionRegisterBody {
		into = &whole.TopicConfigSerializeWrapper
	}
	if err := javajson.Unmarshal(body, into); err != nil {
		return nil, err
	}
	w := &whole.TopicConfigSerializeWrapper
	b := &registerBody{version: w.DataVersion, filters: whole.FilterServerList}
	b.topics = make([]TopicEntry, 0, len(w.TopicConfigTable))
	for name, c := range w.TopicConfigTable {
		if c.TopicName != "" {
			name = c.TopicName
		}
		b.topics = append(b.topics, TopicEntry{Topic: name, Read: c.ReadQueueNums, Write: c.WriteQueueNums, Perm: c.Perm, TopicSysFlag: c.TopicSysFlag})
	}
	for topic, m := range w.TopicQueueMappingInfoMap {
		m.Topic = topic
		b.mappings = append(b.mappings, m)
	}
	return b, nil
}

// inflateBody reads the zlib form: length-prefixed parts.
func inflateBody(r io.Reader, version int32, most bodyLimits) (*registerBody, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	p := &parts{r: io.LimitReader(z, most.inflated)}
	b := &registerBody{}
	data, err := p.next()
	if err != nil {
		return nil, fmt.Errorf("data version: %w", err)
	}
	if err := javajson.Unmarshal(data, &b.version); err != nil {
		return nil, fmt.Errorf("data version: %w", err)
	}
	n, err := p.count(most.topics)
	if err != nil {
		return nil, fmt.Errorf("number of topics: %w", err)
	}
	for i := range n {
		if data, err = p.next(); err != nil {
			return nil, fmt.Errorf("topic %d of %d: %w", i, n, err)
		}
		e, err := parseTopicText(string(data))
		if err != nil {
			return nil, fmt.Errorf("topic %d of %d: %w", i, n, err)
		}
		b.topics = append(b.topics, e)
	}
	if data, err = p.next(); err != nil {
		return nil, fmt.Errorf("filter servers: %w", err)
	}
	if err := javajson.Unmarshal(data, &b.filters); err != nil {
		b.filters = []string{} // as Java: a bad list is no list
	}
	if version < protocol.VersionStaticTopics {
		return b, nil
	}
	return b, b.readMappings(p, most.topics)
}

func (b *registerBody) readMappings(p *parts, limit int) error {
	n, err := p.count(limit)
	if err != nil {
		return fmt.Errorf("number of static topics: %w", err)
	}
	for i := range n {
		data, err := p.next()
		if err != nil {
			return fmt.Errorf("static topic %d of %d: %w", i, n, err)
		}
		var m protocol.TopicQueueMappingInfo
		if err := javajson.Unmarshal(data, &m); err != nil {
			return fmt.Errorf("static topic %d of %d: %w", i, n, err)
		}
		b.mappings = append(b.mappings, m)
	}
	return nil
}

// parseTopicText reads a topic as it stands in a compressed body: name, read
// queues, write queues, permission, filter type and perhaps attributes, each
// separated by one space. The system flag does not survive this form.
func parseTopicText(text string) (TopicEntry, error) {
	f := strings.SplitN(text, " ", 6)
	if len(f) < 5 || f[0] == "" {
		return TopicEntry{}, fmt.Errorf("%q has not the 5 fields of a topic", cutText(text))
	}
	e := TopicEntry{Topic: f[0]}
	for i, into := range []*int32{&e.Read, &e.Write, &e.Perm} {
		n, err := strconv.ParseInt(f[i+1], 10, 32)
		if err != nil {
			return TopicEntry{}, fmt.Errorf("%q of topic %s is not a number", cutText(f[i+1]), cutText(f[0]))
		}
		*into = int32(n)
	}
	return e, nil
}

// cutText shortens what an error quotes.
func cutText(text string) string {
	const most = 100
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// parts reads big-endian lengths and what they announce.
type parts struct {
	r   io.Reader
	buf []byte
}

func (p *parts) int32() (int32, error) {
	var b [4]byte
	if _, err := io.ReadFull(p.r, b[:]); err != nil {
		return 0, unexpected(err)
	}
	return int32(binary.BigEndian.Uint32(b[:])), nil
}

// count reads a number of parts.
func (p *parts) count(most int) (int, error) {
	n, err := p.int32()
	if err != nil {
		return 0, err
	}
	if n < 0 || int(n) > most {
		return 0, fmt.Errorf("%d is not within 0 and %d", n, most)
	}
	return int(n), nil
}

// next reads one part. It is valid until the following call.
func (p *parts) next() ([]byte, error) {
	n, err := p.count(maxPart)
	if err != nil {
		return nil, err
	}
	if cap(p.buf) < n {
		p.buf = make([]byte, max(n, 2*cap(p.buf)))
	}
	p.buf = p.buf[:n]
	_, err = io.ReadFull(p.r, p.buf)
	return p.buf, unexpected(err)
}

// unexpected turns the end of the stream into an error: no part may be missing.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
