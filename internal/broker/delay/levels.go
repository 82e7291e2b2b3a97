package delay

import (
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Topic holds the messages that wait, level n in queue n-1.
const Topic = protocol.ScheduleTopic

// unknownLevel is what a record waits whose level is not in the table.
const unknownLevel = time.Second

// Levels is the table of delays, level n at index n-1.
type Levels []time.Duration

// Max is the highest level.
func (l Levels) Max() int32 { return int32(len(l)) }

// Due is when a message with a level is to be delivered that was stored at
// storeTime, both in milliseconds. Levels above the table count as its last.
func (l Levels) Due(level int32, storeTime int64) int64 {
	if level < 1 || len(l) == 0 {
		return storeTime + unknownLevel.Milliseconds()
	}
	return storeTime + l[min(level, l.Max())-1].Milliseconds()
}

// Transform gives the place where a message with a delay level waits, and
// appends to props the two properties that remember where it wants to go. level
// must be positive; levels above the table count as its last. props must not
// hold the two properties already.
func (l Levels) Transform(props []byte, topic string, queueID, level int32) (newProps []byte, newTopic string, newQueueID int32) {
	level = min(level, l.Max())
	props = message.AppendProperty(props, message.PropRealTopic, topic)
	var digits [12]byte
	props = append(props, message.PropRealQueueID...)
	props = append(props, 1)
	props = append(props, strconv.AppendInt(digits[:0], int64(queueID), 10)...)
	props = append(props, 2)
	return props, Topic, level - 1
}
