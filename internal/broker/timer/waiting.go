package timer

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/aerobee/aerobee/internal/message"
)

// waiting is a message of the timer's topic.
type waiting struct {
	message.Message
	out     int64  // TIMER_OUT_MS
	topic   string // that it goes to
	queueID int32
	key     string // UNIQ_KEY
	recall  string // TIMER_DEL_UNIQKEY
	rolled  int64  // how often
	stamped bool   // has properties that a copy sets anew
}

// parseWaiting reads a record. The message aliases it.
func parseWaiting(rec []byte) (w waiting, err error) {
	if w.Message, err = message.Parse(rec); err != nil {
		return w, err
	}
	if w.Topic != Topic {
		return w, fmt.Errorf("a message of topic %s", clip(w.Topic))
	}
	w.out, w.queueID = -1, -1
	for name, value := range message.Properties(w.Properties) {
		switch name {
		case message.PropTimerOutMs:
			w.out, err = strconv.ParseInt(value, 10, 64)
		case message.PropRealTopic:
			w.topic = value
		case message.PropRealQueueID:
			var n int64
			n, err = strconv.ParseInt(value, 10, 32)
			w.queueID = int32(n)
		case message.PropUniqKey:
			w.key = value
		case message.PropTimerDelUniqKey:
			w.recall = value
		case message.PropTimerRollTimes:
			w.rolled, _ = strconv.ParseInt(value, 10, 32)
			w.stamped = true
		case message.PropTimerEnqueueMs, message.PropTimerDequeueMs:
			w.stamped = true
		}
		if err != nil {
			return w, fmt.Errorf("property %s: %w", name, err)
		}
	}
	switch {
	case w.out < 0:
		return w, errors.New("no property " + message.PropTimerOutMs)
	case w.topic == "":
		return w, errors.New("no property " + message.PropRealTopic)
	case w.queueID < 0:
		return w, errors.New("no property " + message.PropRealQueueID)
	}
	return w, nil
}

// recallKey is what a recall of the message has in TIMER_DEL_UNIQKEY.
func (w *waiting) recallKey(withTopic bool) string {
	if withTopic {
		return w.topic + "+" + w.key
	}
	return w.key
}

// copy is the message that is stored when the slot is due: in its real topic, or
// in the timer's again if the slot is on the way.
func (w *waiting) copy(enqueued, now int64, rolls bool) message.Message {
	m := w.Message
	m.PreparedTransactionOffset = 0
	if !rolls {
		m.Topic, m.QueueID = w.topic, w.queueID
	}
	props := make([]byte, 0, len(m.Properties)+96)
	if w.stamped {
		for name, value := range message.Properties(m.Properties) {
			switch name {
			case message.PropTimerEnqueueMs, message.PropTimerDequeueMs:
				continue
			case message.PropTimerRollTimes:
				if rolls {
					continue
				}
			}
			props = message.AppendProperty(props, name, value)
		}
	} else {
		props = append(props, m.Properties...)
		if n := len(props); n > 0 && props[n-1] != 2 {
			props = append(props, 2)
		}
	}
	props = message.AppendProperty(props, message.PropTimerEnqueueMs, strconv.FormatInt(enqueued, 10))
	if rolls {
		props = message.AppendProperty(props, message.PropTimerRollTimes, strconv.FormatInt(w.rolled+1, 10))
	}
	props = message.AppendProperty(props, message.PropTimerDequeueMs, strconv.FormatInt(now, 10))
	m.Properties = string(props)
	return m
}
