package pop

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// OrderQueue is the revive queue in the receipts of orderly pops, which have no
// check points (POP_ORDER_REVIVE_QUEUE).
const OrderQueue = 999

// Receipt is what a consumer acknowledges a message with (extraInfo, POP_CK).
type Receipt struct {
	Start     int64 // offset that the pop began at: names the lease together with PopTime
	PopTime   int64 // ms
	Invisible int64 // ms
	Revive    int32 // queue of the revive topic, or OrderQueue
	Mark      byte  // kind of topic, see Mark
	Broker    string
	Queue     int32
	Offset    int64
}

// ParseReceipt reads a receipt. The first four fields must be there. The broker
// name is a part of s.
func ParseReceipt(s string) (Receipt, error) {
	r := Receipt{Mark: '0'}
	rest := s
	for i := range 8 {
		field, more, ok := strings.Cut(rest, " ")
		rest = more
		var err error
		switch i {
		case 0:
			r.Start, err = strconv.ParseInt(field, 10, 64)
		case 1:
			r.PopTime, err = strconv.ParseInt(field, 10, 64)
		case 2:
			r.Invisible, err = strconv.ParseInt(field, 10, 64)
		case 3:
			r.Revive, err = parseInt32(field)
		case 4:
			if len(field) != 1 || field[0] < '0' || field[0] > '2' {
				err = strconv.ErrSyntax
			} else {
				r.Mark = field[0]
			}
		case 5:
			r.Broker = field
		case 6:
			r.Queue, err = parseInt32(field)
		case 7:
			r.Offset, err = strconv.ParseInt(field, 10, 64)
		}
		if err != nil {
			return Receipt{}, fmt.Errorf("receipt %q: field %d is %q: %w", s, i+1, field, err)
		}
		if !ok {
			if i < 3 {
				return Receipt{}, fmt.Errorf("receipt %q has %d fields, at least 4 are needed", s, i+1)
			}
			return r, nil
		}
	}
	return r, nil
}

func parseInt32(s string) (int32, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err
}

// Append appends the receipt as consumers get it.
func (r *Receipt) Append(dst []byte) []byte {
	for _, n := range [...]int64{r.Start, r.PopTime, r.Invisible, int64(r.Revive)} {
		dst = append(strconv.AppendInt(dst, n, 10), ' ')
	}
	dst = append(dst, r.Mark, ' ')
	dst = append(append(dst, r.Broker...), ' ')
	dst = append(strconv.AppendInt(dst, int64(r.Queue), 10), ' ')
	return strconv.AppendInt(dst, r.Offset, 10)
}

// Mark is how receipts and answers name the kind of a topic: 0 for a normal one, 1
// for a retry topic, 2 for one with the new form of its name.
func Mark(topic string) byte {
	switch {
	case !strings.HasPrefix(topic, protocol.RetryPrefix):
		return '0'
	case strings.IndexByte(topic, '+') >= 0:
		return '2'
	default:
		return '1'
	}
}

// RealTopic is the topic that a mark means.
func RealTopic(mark byte, topic, group string) string {
	switch mark {
	case '1':
		return protocol.PopRetryTopic(topic, group)
	case '2':
		return protocol.PopRetryTopicV2(topic, group)
	default:
		return topic
	}
}

// NormalTopic is the topic whose retry topic for group this is, or topic itself.
func NormalTopic(topic, group string) string {
	rest, ok := strings.CutPrefix(topic, protocol.RetryPrefix)
	if !ok {
		return topic
	}
	rest, ok = strings.CutPrefix(rest, group)
	if !ok || len(rest) < 2 || rest[0] != '_' && rest[0] != '+' {
		return topic
	}
	return rest[1:]
}
