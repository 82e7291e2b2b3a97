package remoting

import "sync"

// buffer is pooled memory for input and output. Whoever holds one owns it and gives
// it back with release; nobody else refers to it then.
type buffer struct{ b []byte }

// bufferClasses are the capacities that are pooled. The smallest holds the start of
// an unfinished frame, the second one a usual read.
var bufferClasses = [...]int{4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, MaxFrame}

// readSize is the capacity of a usual read: enough for some 50 messages of 1 KiB, so
// that the cost of a system call is shared.
const readSize = 64 << 10

var bufferPools [len(bufferClasses)]sync.Pool

// getBuffer returns an empty buffer with a capacity of at least n bytes.
func getBuffer(n int) *buffer {
	for i, size := range bufferClasses {
		if n <= size {
			if b, ok := bufferPools[i].Get().(*buffer); ok {
				return b
			}
			return &buffer{b: make([]byte, 0, size)}
		}
	}
	return &buffer{b: make([]byte, 0, n)}
}

// release gives b back. Buffers of other capacities than the classes', which appends
// made grow, go to the class below or to the collector.
func (b *buffer) release() {
	for i := len(bufferClasses) - 1; i >= 0; i-- {
		if c := cap(b.b); c >= bufferClasses[i] {
			if c < 2*MaxFrame {
				b.b = b.b[:0]
				bufferPools[i].Put(b)
			}
			return
		}
	}
}

// grow returns a buffer with b's content and room for n more bytes, b itself if it
// has the room.
func (b *buffer) grow(n int) *buffer {
	if cap(b.b)-len(b.b) >= n {
		return b
	}
	size := len(b.b) + n
	if size > MaxFrame {
		size = max(size, 2*cap(b.b)) // beyond the classes: not anew for every frame
	}
	c := getBuffer(size)
	c.b = append(c.b, b.b...)
	b.release()
	return c
}
