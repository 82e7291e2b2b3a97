package timer

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/message"
)

// Ask is when a sender wants a message delivered: the values of the properties
// that say so, each "" when missing.
type Ask struct {
	DelaySec  string // TIMER_DELAY_SEC
	DelayMs   string // TIMER_DELAY_MS
	DeliverMs string // TIMER_DELIVER_MS
	StartTime string // __STARTDELIVERTIME, of Alibaba Cloud's clients
}

// Asked tells whether there is any.
func (a *Ask) Asked() bool {
	return a.DelaySec != "" || a.DelayMs != "" || a.DeliverMs != "" || a.StartTime != ""
}

// AskError says which property asks for what cannot be.
type AskError struct {
	Property, Value, Why string
}

func (e *AskError) Error() string {
	return fmt.Sprintf("property %s=%s: %s", e.Property, clip(e.Value), e.Why)
}

// clip keeps text that clients sent short in errors and logs.
func clip(text string) string {
	const most = 100
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// Deliver is the time of delivery in ms. Of several properties the first of Ask
// counts, as in Java. A time at or before now means at once. The error is an
// *AskError: not a number, or more than most ahead.
func (a *Ask) Deliver(now time.Time, most time.Duration) (ms int64, err error) {
	name, value, unit, from := message.PropStartDeliverTime, a.StartTime, int64(1), int64(0)
	switch {
	case a.DelaySec != "":
		name, value, unit, from = message.PropTimerDelaySec, a.DelaySec, 1000, now.UnixMilli()
	case a.DelayMs != "":
		name, value, from = message.PropTimerDelayMs, a.DelayMs, now.UnixMilli()
	case a.DeliverMs != "":
		name, value = message.PropTimerDeliverMs, a.DeliverMs
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, &AskError{name, value, "not a whole number of " + map[int64]string{1: "milliseconds", 1000: "seconds"}[unit]}
	}
	if n <= 0 {
		return from, nil
	}
	limit := now.UnixMilli() + most.Milliseconds()
	if n > (math.MaxInt64-from)/unit || from+n*unit > limit {
		return 0, &AskError{name, value, fmt.Sprintf("the time of delivery is more than the allowed %d s ahead (timerMaxDelaySec)", int64(most.Seconds()))}
	}
	return from + n*unit, nil
}

// Out is the slot of a time of delivery: the last multiple of precision before it.
// The slot is delivered one precision later. All times in ms.
func Out(deliver, precision int64) int64 { return (deliver - 1) / precision * precision }
