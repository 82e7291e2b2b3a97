package broker

import (
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/message"
)

// Bytes of the properties encoding, storage.md 3.4.
const (
	propName = 1 // between a name and its value
	propEnd  = 2 // after each property
)

// sendProps rewrites the properties of a sent message into what is stored, in
// one pass, and picks out those that the send path acts on. It is reused: buf
// keeps its memory. Strings alias the client's properties.
type sendProps struct {
	buf []byte // stored properties

	uniqKey   string
	keys      string
	delay     string
	priority  string
	liteTopic string
	dispatch  string // INNER_MULTI_DISPATCH
	ask       timer.Ask
	timerOut  bool // TIMER_OUT_MS: it was in the timer before
	recall    bool // TIMER_DEL_UNIQKEY
	half      bool // TRAN_MSG=true
	ordered   bool // has a sharding key
	innerNum  bool
}

// read copies the properties to buf without those that the broker sets itself,
// strips, or decides about later. Pairs with an empty name or value are dropped,
// as in Java's parser.
func (p *sendProps) read(client string) {
	*p = sendProps{buf: p.buf[:0]}
	from := 0 // begin of the run that is still to be copied
	for at := 0; at < len(client); {
		end, next := len(client), len(client)
		if i := strings.IndexByte(client[at:], propEnd); i >= 0 {
			end, next = at+i, at+i+1
		}
		sep := strings.IndexByte(client[at:end], propName)
		keep := sep > 0 && at+sep+1 < end && p.take(client[at:at+sep], client[at+sep+1:end])
		if !keep {
			p.buf = append(p.buf, client[from:at]...)
			from = next
		}
		at = next
	}
	p.buf = append(p.buf, client[from:]...)
	if len(p.buf) > 0 && p.buf[len(p.buf)-1] != propEnd {
		p.buf = append(p.buf, propEnd)
	}
}

// take notes a property and tells whether it is copied as it is.
func (p *sendProps) take(name, value string) (keep bool) {
	switch name {
	case message.PropUniqKey:
		p.uniqKey = value
	case message.PropKeys:
		p.keys = value
	case message.PropTransactionPrepared:
		p.half = strings.EqualFold(value, "true")
	case message.PropShardingKey:
		p.ordered = true
	case message.PropInnerNum:
		p.innerNum = true
	case message.PropLiteTopic:
		p.liteTopic = value
	case message.PropInnerMultiDispatch:
		p.dispatch = value
		return false
	case message.PropDelay:
		p.delay = value
		return false
	case message.PropPriority:
		p.priority = value
		return false
	case message.PropTimerDelaySec:
		p.ask.DelaySec = value
		return false
	case message.PropTimerDelayMs:
		p.ask.DelayMs = value
		return false
	case message.PropTimerDeliverMs:
		p.ask.DeliverMs = value
		return false
	case message.PropStartDeliverTime:
		p.ask.StartTime = value
	case message.PropTimerOutMs:
		p.timerOut = true
	case message.PropTimerDelUniqKey:
		p.recall = true
	case message.PropRegion, message.PropTraceOn, message.PropCluster, message.PropPopCheckpoint, message.PropCRC:
		return false
	default:
		return !strings.HasPrefix(name, message.TransientPropertyPrefix)
	}
	return true
}

// add appends a property; an empty value appends nothing.
func (p *sendProps) add(name, value string) { p.buf = message.AppendProperty(p.buf, name, value) }

// addUniqKey appends a generated UNIQ_KEY and returns it; the string is valid
// until buf is used again.
func (p *sendProps) addUniqKey(generate func(dst []byte) []byte) string {
	p.buf = append(p.buf, message.PropUniqKey...)
	p.buf = append(p.buf, propName)
	at := len(p.buf)
	p.buf = generate(p.buf)
	end := len(p.buf)
	p.buf = append(p.buf, propEnd)
	return aliasOf(p.buf[at:end])
}

// text is the stored properties, valid until buf is used again.
func (p *sendProps) text() string { return aliasOf(p.buf) }

// delayLevel is the delay level asked for, 0 for none. Text that is no number
// counts as none.
func (p *sendProps) delayLevel() int32 { return number(p.delay, 0) }

// priorityLevel is the queue that a message of type PRIORITY asks for; ok is
// false when it is of another type, which a transaction, a delay and an order
// have before it.
func (p *sendProps) priorityLevel() (level int32, ok bool) {
	level = number(p.priority, -1)
	return level, level >= 0 && !p.half && p.delay == "" && !p.ask.Asked() && !p.ordered
}

func number(text string, otherwise int32) int32 {
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return otherwise
	}
	return int32(n)
}

// kind is the type of the message for the statistics, remoting.md 7.6.
func (p *sendProps) kind() stats.Kind {
	switch {
	case p.half:
		return stats.Transaction
	case p.delay != "" || p.ask.Asked():
		return stats.Delay
	case p.ordered:
		return stats.FIFO
	case p.priority != "":
		return stats.Priority
	case p.liteTopic != "":
		return stats.Lite
	default:
		return stats.Normal
	}
}
