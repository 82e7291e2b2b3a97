package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// Sizes of the timer's files, in bytes.
const (
	timerRecord     = 52
	timerCheckSize  = 4096
	timerWheelSlot  = 32
	timerWheelSize  = 2 * 7 * 86400 * timerWheelSlot
	timerWheelTopic = "rmq_sys_wheel_timer"
)

// checkTimer looks at what a Java broker keeps for messages with a time of
// delivery: whether it can be right.
func (c *checker) checkTimer(p *Part) error {
	begin, end, err := c.checkTimerLog(p)
	if err != nil {
		return err
	}
	if err := c.checkTimerWheel(p, begin, end); err != nil {
		return err
	}
	return c.checkTimerCheck(p, end)
}

// checkTimerLog reads the timer's log and returns where it begins and ends.
func (c *checker) checkTimerLog(p *Part) (begin, end int64, err error) {
	dir := filepath.Join(c.d.cfg.Dir, "timerlog")
	infos, err := c.d.list(dir)
	if err != nil {
		return 0, 0, err
	}
	size := usualSize(infos, timerLogFileSize)
	next := int64(-1)
	for i, info := range infos {
		if info.IsDir {
			continue
		}
		path := filepath.Join(dir, info.Name)
		start, ok := commitlog.Start(info.Name, size)
		if !ok || info.Size != size && (info.Size > 0 || i < len(infos)-1) || next >= 0 && start != next {
			c.problem(p, Problem{File: path, Offset: -1, Found: fmt.Sprintf("a file of %d bytes", info.Size), Expected: fmt.Sprintf("20 digits as its name, %d bytes, and the file before it", size)})
			continue
		}
		if next < 0 {
			begin = start
		}
		next = start + size
		p.Files++
		p.Bytes += info.Size
		at, full, err := c.readTimerLog(p, path, start, size)
		if err != nil {
			return begin, end, err
		}
		end = start + at
		if full {
			end = next
		}
	}
	return begin, end, nil
}

// readTimerLog reads one file up to its first free byte.
func (c *checker) readTimerLog(p *Part, path string, start, size int64) (at int64, full bool, err error) {
	buf := make([]byte, 1024*timerRecord)
	be := binary.BigEndian
	for at+timerRecord <= size {
		n, err := c.d.readAt(path, buf, at)
		if err != nil || n < timerRecord {
			return at, false, err
		}
		for b := buf[:n]; len(b) >= timerRecord; b = b[timerRecord:] {
			length, prev, magic, phy := be.Uint32(b), int64(be.Uint64(b[4:])), be.Uint32(b[12:]), int64(be.Uint64(b[28:]))
			switch {
			case length == 0 && magic == 0:
				return at, false, nil
			case int32(magic) == message.MagicBlank:
				return at, true, nil
			case !c.d.clean && (length != timerRecord || magic|0xF != 0xF || phy >= c.end):
				return at, false, nil // a torn tail, or written since the log was read
			case length != timerRecord || magic|0xF != 0xF:
				c.problem(p, Problem{File: path, Offset: at, Found: fmt.Sprintf("a record of size %d and magic %#x", length, magic), Expected: "size 52 and magic 1 to 15"})
				return at, false, nil
			case prev >= start+at || phy < 0 || phy >= c.end:
				c.problem(p, Problem{
					File: path, Offset: at, Found: fmt.Sprintf("a record after %d for the message at %d", prev, phy),
					Expected: fmt.Sprintf("after less than %d, for a message below %d", start+at, c.end),
				})
			}
			p.Items++
			at += timerRecord
		}
	}
	return at, true, c.ctx.Err()
}

func (c *checker) checkTimerWheel(p *Part, begin, end int64) error {
	path := filepath.Join(c.d.cfg.Dir, "timerwheel")
	info, err := c.d.cfg.FS.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Files++
	p.Bytes += info.Size
	if info.Size != timerWheelSize {
		c.problem(p, Problem{File: path, Offset: -1, Found: fmt.Sprintf("a length of %d bytes", info.Size), Expected: fmt.Sprintf("%d bytes", timerWheelSize)})
	}
	buf := make([]byte, 4096*timerWheelSlot)
	be := binary.BigEndian
	for at := int64(0); at < info.Size; {
		n, err := c.d.readAt(path, buf, at)
		if err != nil || n < timerWheelSlot {
			return err
		}
		for b := buf[:n]; len(b) >= timerWheelSlot; b = b[timerWheelSlot:] {
			when, first, last, num := int64(be.Uint64(b)), int64(be.Uint64(b[8:])), int64(be.Uint64(b[16:])), int32(be.Uint32(b[24:]))
			if when != 0 {
				p.Items++
			}
			old := last < begin // delivered, and its log deleted: slots are never cleared
			if when < 0 || num < 0 || first > last && last >= 0 || c.d.clean && when > 0 && last >= end && !old {
				c.problem(p, Problem{
					File: path, Offset: at, Found: fmt.Sprintf("a slot of %d messages from %d to %d", num, first, last),
					Expected: fmt.Sprintf("places in the timer log, %d to %d", begin, end),
				})
			}
			at += timerWheelSlot
		}
	}
	return c.ctx.Err()
}

func (c *checker) checkTimerCheck(p *Part, logEnd int64) error {
	path := c.configPath("timercheck")
	info, err := c.d.cfg.FS.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Files++
	p.Bytes += info.Size
	p.Items++
	if info.Size != timerCheckSize {
		c.problem(p, Problem{File: path, Offset: -1, Found: fmt.Sprintf("a length of %d bytes", info.Size), Expected: fmt.Sprintf("%d bytes", timerCheckSize)})
	}
	var b [32]byte
	if n, err := c.d.readAt(path, b[:], 0); err != nil || n < len(b) {
		return err
	}
	flushed, offset := int64(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint64(b[16:]))
	if flushed < 0 || c.d.clean && flushed > logEnd {
		c.problem(p, Problem{File: path, Offset: 8, Found: "lastTimerLogFlushPos " + itoa(flushed), Expected: "0 to " + itoa(logEnd)})
	}
	if q := c.queues[cqueue.Key{Topic: timerWheelTopic}]; offset < 0 || c.d.clean && q != nil && offset > max(q.end, q.next) {
		c.problem(p, Problem{File: path, Offset: 16, Found: "lastTimerQueueOffset " + itoa(offset), Expected: "an offset of queue " + timerWheelTopic + "/0"})
	}
	return nil
}
