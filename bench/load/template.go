package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// Marks stand in the prebuilt frame where a request gets its own digits. Each
// is as wide as the widest value; smaller ones are stamped with leading zeros,
// which every parser of decimal text accepts.
const (
	markOpaque = 1888888881
	markQueue  = 76543
	markBorn   = 1822222222222
	markOffset = 199999999999995
	markUniq   = "ZYXWVUTSRQPONMLK" // 16 characters, becomes 16 hex digits
	opaqueBase = 1000000000         // ten digits for every slot
	slotDigits = 6                  // those of them that differ from slot to slot
)

// uniqPrefix is the constant half of every UNIQ_KEY.
const uniqPrefix = "7F000001AE0B0000"

// frame is one prebuilt request and where its digits go.
type frame struct {
	bytes  []byte
	opaque int
	queue  int
	born   int   // -1 if the request has no birth time
	offset int   // -1 if the request has no queue offset
	millis int64 // the birth time that bytes has
	uniq   []int // one place per message
	bodies []int // where each message's body starts
}

// sendFrame builds a send request for one message, or for a batch of them as
// clients encode it. Fields are those that Java's producer sends.
func sendFrame(c Config, broker string) (*frame, error) {
	props := string(message.AppendProperty(nil, message.PropUniqKey, uniqPrefix+markUniq))
	props = message.WithProperty(props, message.PropWait, "true")
	if c.Delay > 0 {
		props = message.WithProperty(props, message.PropTimerDelayMs, strconv.FormatInt(c.Delay.Milliseconds(), 10))
	}
	propsOf := func(i int) string {
		if len(c.Properties) == 0 {
			return props
		}
		return props + c.Properties[i%len(c.Properties)]
	}
	body := bytes.Repeat([]byte{'x'}, c.Size)
	code, payload := protocol.ReqSendMessageV2, body
	if c.Batch > 1 {
		code, payload = protocol.ReqSendBatchMessage, nil
		for i := range c.Batch {
			payload = message.AppendBatchItem(payload, message.BatchItem{Properties: propsOf(i), Body: body})
		}
	}
	ext := remoting.Fields{
		{Key: "a", Value: c.Group},
		{Key: "b", Value: c.Topic},
		{Key: "c", Value: protocol.AutoCreateTopicKey},
		{Key: "d", Value: "4"},
		{Key: "e", Value: strconv.Itoa(markQueue)},
		{Key: "f", Value: "0"},
		{Key: "g", Value: strconv.Itoa(markBorn)},
		{Key: "h", Value: "0"},
		{Key: "i", Value: propsOf(0)},
		{Key: "j", Value: "0"},
		{Key: "k", Value: "false"},
		{Key: "m", Value: strconv.FormatBool(c.Batch > 1)},
		{Key: "n", Value: broker},
	}
	if c.Batch > 1 {
		ext = append(ext[:8:8], ext[9:]...) // a batch's properties travel with its messages
	}
	f, err := newFrame(code, ext, payload)
	if err != nil {
		return nil, err
	}
	f.findBodies(c)
	return f, nil
}

// findBodies computes where bodies and ids are: the payload ends the frame.
func (f *frame) findBodies(c Config) {
	if c.Batch == 1 {
		f.bodies = []int{len(f.bytes) - c.Size}
		f.uniq = places(f.bytes, markUniq)
		return
	}
	f.uniq = places(f.bytes, markUniq)
	item := (len(f.bytes) - f.payloadAt()) / c.Batch
	for i := range c.Batch {
		f.bodies = append(f.bodies, f.payloadAt()+i*item+20) // 20: the five integers before an item's body
	}
}

// payloadAt is where the body of the frame starts.
func (f *frame) payloadAt() int {
	return 8 + int(binary.BigEndian.Uint32(f.bytes[4:])&0xFFFFFF)
}

// pullFrame builds a pull request. A tailing one asks the broker to hold it
// until a message comes, up to hold milliseconds.
func pullFrame(c Config, broker string, tail bool, hold int) (*frame, error) {
	const subscription, suspend = 4, 2
	flags := subscription
	expression, kind := "*", "TAG"
	if c.SQL != "" {
		expression, kind = c.SQL, "SQL92"
	}
	if tail {
		flags |= suspend
	}
	return newFrame(protocol.ReqPullMessage, remoting.Fields{
		{Key: "consumerGroup", Value: c.Group},
		{Key: "topic", Value: c.Topic},
		{Key: "queueId", Value: strconv.Itoa(markQueue)},
		{Key: "queueOffset", Value: strconv.Itoa(markOffset)},
		{Key: "maxMsgNums", Value: strconv.Itoa(c.Batch)},
		{Key: "sysFlag", Value: strconv.Itoa(flags)},
		{Key: "commitOffset", Value: "0"},
		{Key: "suspendTimeoutMillis", Value: strconv.Itoa(hold)},
		{Key: "subscription", Value: expression},
		{Key: "subVersion", Value: "0"},
		{Key: "expressionType", Value: kind},
		{Key: "bname", Value: broker},
	}, nil)
}

func newFrame(code protocol.RequestCode, ext remoting.Fields, body []byte) (*frame, error) {
	b, err := remoting.AppendCommand(nil, &remoting.Command{
		Code: int32(code), Language: protocol.LanguageJava, Version: protocol.Version,
		Opaque: markOpaque, Ext: ext, Body: body, Codec: remoting.CodecJSON,
	})
	if err != nil {
		return nil, fmt.Errorf("request %v: %w", code, err)
	}
	f := &frame{bytes: b}
	head := b[:f.payloadAt()]
	for _, mark := range []struct {
		at       *int
		value    int
		required bool
	}{
		{&f.opaque, markOpaque, true},
		{&f.queue, markQueue, true},
		{&f.born, markBorn, false},
		{&f.offset, markOffset, false},
	} {
		switch at := places(head, strconv.Itoa(mark.value)); {
		case len(at) == 1:
			*mark.at = at[0]
		case len(at) == 0 && !mark.required:
			*mark.at = -1
		default:
			return nil, fmt.Errorf("request %v: %d places for digits like %d; a name in it looks like one", code, len(at), mark.value)
		}
	}
	putDecimal(b[f.opaque:f.opaque+10], opaqueBase)
	return f, nil
}

// places finds all of text in b.
func places(b []byte, text string) []int {
	var found []int
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte(text))
		if i < 0 {
			return found
		}
		at += i
		found = append(found, at)
	}
}

// appendTo copies the frame to dst and stamps what is the same in both kinds of
// request. It returns the copy's place in dst for further stamps.
func (f *frame) appendTo(dst []byte, slot int, queue int32) (out []byte, at int) {
	at = len(dst)
	dst = append(dst, f.bytes...)
	putDecimal(dst[at+f.opaque+10-slotDigits:at+f.opaque+10], int64(slot))
	putDecimal(dst[at+f.queue:at+f.queue+5], int64(queue))
	return dst, at
}

// bear sets the birth time of the copies that follow. It is the same for many.
func (f *frame) bear(millis int64) {
	if millis != f.millis {
		f.millis = millis
		putDecimal(f.bytes[f.born:f.born+13], millis)
	}
}

// stampSend fills in ids and, in the first bytes of each body that has room, the
// nanosecond at which the message was due.
func (f *frame) stampSend(b []byte, seq uint64, due int64) {
	for i, at := range f.uniq {
		putHex(b[at:at+16], seq+uint64(i))
	}
	for _, at := range f.bodies {
		if len(b)-at >= 8 {
			binary.BigEndian.PutUint64(b[at:], uint64(due))
		}
	}
}

func (f *frame) stampPull(b []byte, offset int64) {
	putDecimal(b[f.offset:f.offset+15], offset)
}

func putDecimal(b []byte, v int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
}

func putHex(b []byte, v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = "0123456789ABCDEF"[v&15]
		v >>= 4
	}
}
