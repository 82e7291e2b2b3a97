package stats

import (
	"iter"

	"github.com/aerobee/aerobee/internal/message"
)

// Kind is the type of a message as the metrics name it (label message_type).
type Kind uint8

// The kinds, in the order in which a message is classified (remoting.md 7.6):
// the first one that fits wins, Normal is the rest.
const (
	Normal Kind = iota
	Transaction
	Delay
	FIFO
	Priority
	Lite
	kinds
)

var kindNames = [kinds]string{"normal", "transaction", "delay", "fifo", "priority", "lite"}

// String is the label's value.
func (k Kind) String() string {
	if k >= kinds {
		return "unknown"
	}
	return kindNames[k]
}

// Kinds yields all kinds.
func Kinds() iter.Seq[Kind] {
	return func(yield func(Kind) bool) {
		for k := range kinds {
			if !yield(k) {
				return
			}
		}
	}
}

// KindOf classifies a message by its encoded properties: the first kind in the
// order of the constants that fits.
func KindOf(properties string) Kind {
	found := Normal
	for key, value := range message.Properties(properties) {
		if k := kindOfProperty(key, value); k != Normal && (found == Normal || k < found) {
			found = k
		}
	}
	return found
}

func kindOfProperty(key, value string) Kind {
	switch key {
	case message.PropTransactionPrepared:
		if value == "true" {
			return Transaction
		}
	case message.PropDelay, message.PropTimerDeliverMs, message.PropTimerDelaySec, message.PropTimerDelayMs:
		return Delay
	case message.PropShardingKey:
		return FIFO
	case message.PropPriority:
		return Priority
	case message.PropLiteTopic:
		return Lite
	}
	return Normal
}
