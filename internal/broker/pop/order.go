package pop

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// orderInfo is what a group holds of a queue that it pops in order: the offsets of
// the last batch and what became of them. No other batch is given out before all
// of it are acknowledged or visible again. It is a deterministic core, and has the
// form of consumerOrderInfo.json.
type orderInfo struct {
	PopTime   int64           `json:"popTime"`
	Invisible int64           `json:"i"`
	Offsets   []int64         `json:"o"`            // the first, and how far the others are from it
	Visible   map[int64]int64 `json:"ot,omitempty"` // offset -> ms, where it is not pop time and invisible time
	Counts    map[int64]int32 `json:"oc,omitempty"` // offset -> deliveries before this one
	Last      int64           `json:"l"`            // ms of the last pop
	Acked     int64           `json:"cm"`           // a bit for each of Offsets
	Attempt   string          `json:"a,omitempty"`
}

// maxOrdered is how many offsets an orderInfo can have: there is a bit for each.
const maxOrdered = 64

func (o *orderInfo) offset(i int) int64 {
	if i == 0 {
		return o.Offsets[0]
	}
	return o.Offsets[0] + o.Offsets[i]
}

func (o *orderInfo) index(offset int64) int {
	for i := range o.Offsets {
		if o.offset(i) == offset {
			return i
		}
	}
	return -1
}

func (o *orderInfo) open(i int) bool { return o.Acked&(1<<i) == 0 }

// freeAt is when all that is not acknowledged is visible again; 0 when all is
// acknowledged. Without an invisible time, as in files of old brokers, that of the
// pop that asks counts.
func (o *orderInfo) freeAt(invisible int64) (ms int64) {
	if o.Invisible > 0 {
		invisible = o.Invisible
	}
	for i := range o.Offsets {
		if !o.open(i) {
			continue
		}
		at, ok := o.Visible[o.offset(i)]
		if !ok {
			at = o.PopTime + invisible
		}
		ms = max(ms, at)
	}
	return ms
}

// blocks tells whether a pop must wait. The attempt that got the batch gets it again.
func (o *orderInfo) blocks(attempt string, invisible, now int64) bool {
	if o == nil || len(o.Offsets) == 0 || attempt != "" && attempt == o.Attempt {
		return false
	}
	return now < o.freeAt(invisible)
}

// acked tells whether a message is acknowledged while one before it is not.
func (o *orderInfo) acked(offset int64) bool {
	if o == nil {
		return false
	}
	i := o.index(offset)
	return i >= 0 && !o.open(i)
}

// lendOrdered is the bookkeeping of a new batch after that of the last one. What was
// acknowledged there behind the first offset stays so.
func lendOrdered(last *orderInfo, attempt string, popTime, invisible int64, offsets []int64) *orderInfo {
	o := &orderInfo{PopTime: popTime, Invisible: invisible, Last: popTime, Attempt: attempt}
	offsets = offsets[:min(len(offsets), maxOrdered)]
	if last == nil {
		o.setOffsets(offsets)
		return o
	}
	kept := offsets
	for i := range last.Offsets {
		if offset := last.offset(i); !last.open(i) && offset > offsets[0] && len(kept) < maxOrdered && !slices.Contains(kept, offset) {
			kept = append(slices.Clip(kept), offset)
		}
	}
	slices.Sort(kept)
	o.setOffsets(kept)
	for i, offset := range kept {
		if last.acked(offset) {
			o.Acked |= 1 << i
		}
	}
	if last.Attempt != "" && last.Attempt == attempt {
		o.Counts = last.Counts
		return o
	}
	for _, offset := range offsets {
		if last.index(offset) >= 0 {
			if o.Counts == nil {
				o.Counts = make(map[int64]int32)
			}
			o.Counts[offset] = last.Counts[offset] + 1
		}
	}
	return o
}

func (o *orderInfo) setOffsets(offsets []int64) {
	for i, offset := range offsets {
		if i > 0 {
			offset -= offsets[0]
		}
		o.Offsets = append(o.Offsets, offset)
	}
}

// appendCounts appends how often the messages were delivered before: of each offset
// that was, and the least of all for clients that look at the queue only.
func (o *orderInfo) appendCounts(dst []byte, mark byte, queue int32) []byte {
	least := int32(math.MaxInt32)
	begin := func() {
		if len(dst) > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, mark, ' ')
	}
	offsets := make([]int64, 0, len(o.Counts))
	for offset := range o.Counts {
		offsets = append(offsets, offset)
	}
	slices.Sort(offsets)
	for _, offset := range offsets {
		count := o.Counts[offset]
		least = min(least, count)
		begin()
		dst = append(dst, "qo"...)
		dst = append(strconv.AppendInt(dst, int64(queue), 10), '%')
		dst = append(strconv.AppendInt(dst, offset, 10), ' ')
		dst = strconv.AppendInt(dst, int64(count), 10)
	}
	if len(o.Counts) != len(o.Offsets)-bits.OnesCount64(uint64(o.Acked)) { // some are new
		least = 0
	}
	begin()
	dst = append(strconv.AppendInt(dst, int64(queue), 10), ' ')
	return strconv.AppendInt(dst, int64(least), 10)
}

// outcome of an acknowledgement in order.
type outcome uint8

const (
	ackTaken   outcome = iota // the offset to commit is known
	ackIgnored                // of a batch that is not the last one
	ackIllegal                // not of the batch
)

// ack marks a message and gives the offset to commit: that of the first message
// that is not acknowledged.
func (o *orderInfo) ack(offset, popTime int64) (next int64, is outcome) {
	switch {
	case o == nil:
		return offset + 1, ackTaken
	case len(o.Offsets) == 0:
		return 0, ackIllegal
	case popTime != o.PopTime:
		return 0, ackIgnored
	}
	i := o.index(offset)
	if i < 0 {
		return 0, ackIllegal
	}
	o.Acked |= 1 << i
	for i := range o.Offsets {
		if o.open(i) {
			return o.offset(i), ackTaken
		}
	}
	return o.offset(len(o.Offsets)-1) + 1, ackTaken
}

// renew sets when a message is visible again.
func (o *orderInfo) renew(offset, popTime, visible int64) bool {
	if o == nil || popTime != o.PopTime {
		return false
	}
	if o.index(offset) < 0 {
		return true
	}
	if o.Visible == nil {
		o.Visible = make(map[int64]int64)
	}
	o.Visible[offset] = visible
	return true
}

// valid tells whether an orderInfo that was read can be used.
func (o *orderInfo) valid() bool {
	return o != nil && len(o.Offsets) <= maxOrdered && o.PopTime >= 0 && o.PopTime < maxTime && o.Invisible < maxTime
}
