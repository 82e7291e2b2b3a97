package inspect

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func asFileError(err error, target **store.FileError) bool { return errors.As(err, target) }

// wanted is a unit that a record must have.
type wanted struct {
	key    cqueue.Key // its topic aliases the record
	offset int64
	unit   cqueue.Unit
	// from and to bound the tags code, which in the schedule topic is a time.
	from, to int64
	light    bool // of a light queue, which exists only when the broker is set so
}

// queued tells whether a record gets a place in a queue.
func queued(m *message.Message) bool {
	t := m.SysFlag & message.FlagTransactionMask
	return t != message.FlagTransactionHalf && t != message.FlagTransactionUndo
}

// maxDelay is the longest delay that a level can have here, in ms: ten years.
const maxDelay = 10 * 365 * 24 * 3600 * 1000

// unitsOf lists the units that a record must have. Which delay a level means is
// not recorded in a store, so that a delayed message's tags code is bounded only.
func unitsOf(m *message.Message, off int64, size int32) []wanted {
	w := wanted{key: cqueue.Key{Topic: m.Topic, ID: m.QueueID}, offset: m.QueueOffset, unit: cqueue.Unit{Phy: off, Size: size}}
	var delay, dispatch, offsets string
	for k, v := range message.Properties(m.Properties) {
		switch k {
		case message.PropTags:
			w.unit.TagsCode = store.TagsCode(v)
		case message.PropDelay:
			delay = v
		case message.PropInnerMultiDispatch:
			dispatch = v
		case message.PropInnerMultiOffset:
			offsets = v
		}
	}
	w.from, w.to = w.unit.TagsCode, w.unit.TagsCode
	if level, err := strconv.Atoi(delay); err == nil && level > 0 && m.Topic == store.ScheduleTopic {
		w.from, w.to = m.StoreTimestamp, m.StoreTimestamp+maxDelay
	}
	list := []wanted{w}
	names, at := strings.Split(dispatch, ","), strings.Split(offsets, ",")
	if dispatch == "" || len(names) != len(at) || strings.HasPrefix(m.Topic, "%RETRY%") {
		return list
	}
	for i, name := range names {
		n, err := strconv.ParseInt(at[i], 10, 64)
		if err != nil || !strings.HasPrefix(name, "%LMQ%") || strings.ContainsAny(name, "/\\") {
			continue
		}
		light := w
		light.key, light.offset, light.light = cqueue.Key{Topic: name}, n, true
		list = append(list, light)
	}
	return list
}

// extAddress tells whether a tags code can be the address of a unit in
// consumequeue_ext.
func extAddress(tagsCode int64) bool { return tagsCode < math.MinInt32 }

// fits tells whether a unit is the wanted one.
func (w *wanted) fits(u cqueue.Unit) bool {
	return u.Phy == w.unit.Phy && u.Size == w.unit.Size && u.TagsCode >= w.from && u.TagsCode <= w.to
}

// hashes appends the hashes under which the index has a record.
func hashes(dst []int32, m *message.Message) []int32 {
	if m.SysFlag&message.FlagTransactionMask == message.FlagTransactionUndo {
		return dst
	}
	for k, v := range message.Properties(m.Properties) {
		switch k {
		case message.PropTags:
			dst = append(dst, index.TagsHash(m.Topic, v))
		case message.PropUniqKey:
			dst = append(dst, index.Hash(m.Topic, v))
		case message.PropKeys:
			for key := range strings.SplitSeq(v, " ") {
				if key != "" {
					dst = append(dst, index.Hash(m.Topic, key))
				}
			}
		}
	}
	return dst
}
