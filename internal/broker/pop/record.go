package pop

import (
	"fmt"
	"math/bits"
	"strconv"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
)

// Tags of the records in the revive topic. Java's broker passes over the last.
const (
	tagCK       = "ck"
	tagAck      = "ack"
	tagBatchAck = "bAck"
	tagOrder    = "aerobeeOrder"
)

// Properties of check points that only aerobee writes and reads.
const (
	propNext  = "AEROBEE_NEXT"  // the queue's offset after this pop; with a ! before it, whatever it was before
	propFence = "AEROBEE_FENCE" // physical offset that the messages lie before, when it is not that of the record
	propFirst = "AEROBEE_FIRST" // pop time of the lease that this one continues
)

// maxLease is how many messages a check point can have: Java's bit map has 32 bits.
const maxLease = 32

// checkPoint is the body of a CK.
type checkPoint struct {
	Start     int64   `json:"so" java:"alt=startOffset"`
	PopTime   int64   `json:"pt" java:"alt=popTime"`
	Invisible int64   `json:"it" java:"alt=invisibleTime"`
	BitMap    int32   `json:"bm" java:"alt=bitMap"`
	Num       int32   `json:"n" java:"alt=num"`
	Queue     int32   `json:"q" java:"alt=queueId"`
	Topic     string  `json:"t" java:"alt=topic"`
	Group     string  `json:"c" java:"alt=cid"`
	Diffs     []int32 `json:"d" java:"alt=queueOffsetDiff"`
	Broker    string  `json:"bn" java:"alt=brokerName"`
	RePut     string  `json:"rp" java:"alt=rePutTimes"`
	Suspend   bool    `json:"sp" java:"alt=suspend"`
}

// ackRecord is the body of an ACK, and of a batch of them.
type ackRecord struct {
	Offset  int64   `json:"ao" java:"alt=ackOffset"`
	Start   int64   `json:"so" java:"alt=startOffset"`
	Group   string  `json:"c" java:"alt=consumerGroup"`
	Topic   string  `json:"t" java:"alt=topic"`
	Queue   int32   `json:"q" java:"alt=queueId"`
	PopTime int64   `json:"pt" java:"alt=popTime"`
	Broker  string  `json:"bn" java:"alt=brokerName"`
	Offsets []int64 `json:"aol" java:"alt=ackOffsetList"`
}

// check refuses what no lease can be made of. A CK of fewer messages than bits or
// differences, as very old brokers wrote them, is taken for as many as it says.
func (c *checkPoint) check() error {
	switch {
	case c.Num < 0 || c.Num > maxLease:
		return fmt.Errorf("check point with %d messages, at most %d are possible", c.Num, maxLease)
	case c.Start < 0 || c.Queue < 0:
		return fmt.Errorf("check point of queue %d at offset %d", c.Queue, c.Start)
	case c.PopTime < 0 || c.Invisible < 0 || c.PopTime > maxTime || c.Invisible > maxTime:
		return fmt.Errorf("check point of pop time %d, invisible for %d ms", c.PopTime, c.Invisible)
	case c.Topic == "" || c.Group == "":
		return fmt.Errorf("check point without topic or group")
	case len(c.Diffs) != 0 && len(c.Diffs) < int(c.Num):
		return fmt.Errorf("check point with %d messages and %d offsets", c.Num, len(c.Diffs))
	}
	return nil
}

// maxTime bounds times and durations in ms, so that their sums do not overflow.
const maxTime = 1 << 55

func parseCheckPoint(body []byte) (c checkPoint, err error) {
	if err = javajson.Unmarshal(body, &c); err == nil {
		err = c.check()
	}
	return c, err
}

func parseAck(body []byte) (a ackRecord, err error) {
	err = javajson.Unmarshal(body, &a)
	if err == nil && len(a.Offsets) == 0 {
		a.Offsets = []int64{a.Offset}
	}
	return a, err
}

// appendCheckPoint appends the CK of a lease as Java writes it.
func appendCheckPoint(dst []byte, l *lease, broker string) []byte {
	dst = append(dst, `{"bm":`...)
	dst = strconv.AppendInt(dst, int64(int32(l.acked)), 10)
	dst = append(dst, `,"bn":`...)
	dst = appendText(dst, broker)
	dst = append(dst, `,"c":`...)
	dst = appendText(dst, l.key.pair.group)
	dst = append(dst, `,"d":[`...)
	for i := range l.n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, l.offset(i)-l.key.start, 10)
	}
	dst = append(dst, `],"it":`...)
	dst = strconv.AppendInt(dst, l.invisible, 10)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendInt(dst, int64(l.n), 10)
	dst = append(dst, `,"pt":`...)
	dst = strconv.AppendInt(dst, l.key.popTime, 10)
	dst = append(dst, `,"q":`...)
	dst = strconv.AppendInt(dst, int64(l.key.queue), 10)
	dst = append(dst, `,"reviveTime":`...)
	dst = strconv.AppendInt(dst, l.key.popTime+l.invisible, 10)
	dst = append(dst, `,"ro":0,"so":`...)
	dst = strconv.AppendInt(dst, l.key.start, 10)
	dst = append(dst, `,"sp":`...)
	dst = strconv.AppendBool(dst, l.suspend)
	dst = append(dst, `,"t":`...)
	dst = appendText(dst, l.key.pair.topic)
	return append(dst, '}')
}

// appendAck appends the ACK of some of a lease's messages as Java writes it.
func appendAck(dst []byte, l *lease, mask uint32, broker string) []byte {
	single := bits.OnesCount32(mask) == 1
	dst = append(dst, `{"ao":`...)
	if single {
		dst = strconv.AppendInt(dst, l.offset(bits.TrailingZeros32(mask)), 10)
	} else {
		dst = append(dst, `-1,"aol":[`...)
		for i, rest := 0, mask; rest != 0; rest &= rest - 1 {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, l.offset(bits.TrailingZeros32(rest)), 10)
			i++
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"bn":`...)
	dst = appendText(dst, broker)
	dst = append(dst, `,"c":`...)
	dst = appendText(dst, l.key.pair.group)
	dst = append(dst, `,"pt":`...)
	dst = strconv.AppendInt(dst, l.key.popTime, 10)
	dst = append(dst, `,"q":`...)
	dst = strconv.AppendInt(dst, int64(l.key.queue), 10)
	dst = append(dst, `,"so":`...)
	dst = strconv.AppendInt(dst, l.key.start, 10)
	dst = append(dst, `,"t":`...)
	dst = appendText(dst, l.key.pair.topic)
	return append(dst, '}')
}

func ackTag(mask uint32) string {
	if bits.OnesCount32(mask) == 1 {
		return tagAck
	}
	return tagBatchAck
}

// appendText appends a JSON string. Names of topics and groups need no escapes; a
// broker may have any name.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return javajson.AppendMarshal(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendProps appends the properties of a record. Java's revive service takes the
// newest TIMER_DELIVER_MS for the time up to which it knows all acknowledgements.
// Its own records come through the timer when they are due; ours are there at once,
// and so have the time at which they were written.
func appendProps(dst []byte, tag string, now int64) []byte {
	dst = message.AppendProperty(dst, message.PropTags, tag)
	return appendNumber(dst, message.PropTimerDeliverMs, now)
}

// appendNumber is AppendProperty for a number.
func appendNumber(dst []byte, name string, n int64) []byte {
	dst = append(dst, name...)
	dst = append(dst, 1)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, 2)
}
