package message

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// BatchItem is one message of a client batch. Its fields alias the batch.
type BatchItem struct {
	Flag       int32
	Properties string
	Body       []byte
}

// batchItemOverhead is what an item takes beside body and properties.
const batchItemOverhead = 4 + 4 + 4 + 4 + 4 + 2

// BatchItems yields the messages of a batch body as clients encode it. An error
// ends the sequence; it wraps ErrCorrupt and says at which byte.
func BatchItems(batch []byte) iter.Seq2[BatchItem, error] {
	return func(yield func(BatchItem, error) bool) {
		for at := 0; at < len(batch); {
			item, size, err := parseBatchItem(batch[at:])
			if err != nil {
				yield(BatchItem{}, fmt.Errorf("batch at byte %d of %d: %w", at, len(batch), err))
				return
			}
			if !yield(item, nil) {
				return
			}
			at += size
		}
	}
}

func parseBatchItem(b []byte) (item BatchItem, size int, err error) {
	r := reader{b: b}
	total := int(r.i32())
	if r.bad || total < batchItemOverhead || total > len(b) {
		return item, 0, fmt.Errorf("%w: item of %d bytes, %d left", ErrCorrupt, total, len(b))
	}
	r.b = b[:total]
	r.take(8) // magic and checksum, which clients leave 0
	item.Flag = r.i32()
	item.Body = r.take(int(r.i32()))
	item.Properties = r.text(r.u16())
	if r.bad || r.at != total {
		return item, 0, fmt.Errorf("%w: item of %d bytes has fields of %d", ErrCorrupt, total, r.at)
	}
	return item, total, nil
}

// AppendBatchItem appends one message to a batch body.
func AppendBatchItem(dst []byte, item BatchItem) []byte {
	be := binary.BigEndian
	dst = be.AppendUint32(dst, uint32(batchItemOverhead+len(item.Body)+len(item.Properties)))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = be.AppendUint32(dst, uint32(item.Flag))
	dst = be.AppendUint32(dst, uint32(len(item.Body)))
	dst = append(dst, item.Body...)
	dst = be.AppendUint16(dst, uint16(len(item.Properties)))
	return append(dst, item.Properties...)
}
