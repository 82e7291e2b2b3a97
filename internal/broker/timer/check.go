package timer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Sizes of a check point in its file and on the wire.
const (
	checkFileSize = 4096
	checkSize     = 56
)

// check is the content of timercheck: everything before it is done.
type check struct {
	read    int64 // ms: slots before it are delivered
	log     int64 // position in the timer log
	queue   int64 // offset in the timer's queue: messages before it are indexed or delivered
	master  int64 // the same of the master, here of this broker
	version protocol.DataVersion

	// Own fields, where Java's broker writes nothing. They stay true when it has
	// gone on meanwhile.
	done int64 // messages before this offset of the queue that are due before read were delivered
	part int64 // of the slot at read, messages before this physical offset were delivered
}

// Own fields of the file.
const (
	ownAt    = 64
	ownMagic = "aerobee1"
	ownSize  = 40
)

// appendFile is the begin of the file.
func (c *check) appendFile(b []byte, precision int64) []byte {
	b = append(c.append(b), make([]byte, ownAt-checkSize)...)
	b = append(b, ownMagic...)
	for _, n := range []int64{precision, c.done, c.part, c.read} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// readOwn reads the own fields of a file; precision is 0 if there are none.
func (c *check) readOwn(f vfs.File) (precision int64) {
	var b [ownSize]byte
	if n, _ := f.ReadAt(b[:], ownAt); n < len(b) || string(b[:8]) != ownMagic {
		return 0
	}
	be := binary.BigEndian
	c.done, c.part = int64(be.Uint64(b[16:])), int64(be.Uint64(b[24:]))
	if int64(be.Uint64(b[32:])) != c.read {
		c.part = 0 // a Java broker has gone on
	}
	return int64(be.Uint64(b[8:]))
}

func (c *check) append(b []byte) []byte {
	for _, n := range []int64{c.read, c.log, c.queue, c.master, c.version.StateVersion, c.version.Timestamp, c.version.Counter} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// decodeCheck reads a check point; data of an older version ends after four fields.
func decodeCheck(b []byte) (c check, err error) {
	if len(b) < 32 {
		return c, fmt.Errorf("%d bytes, at least 32 are expected", len(b))
	}
	var n [checkSize / 8]int64
	for i := range n {
		if len(b) >= 8*i+8 {
			n[i] = int64(binary.BigEndian.Uint64(b[8*i:]))
		}
	}
	c = check{read: n[0], log: n[1], queue: n[2], master: n[3], version: protocol.DataVersion{StateVersion: n[4], Timestamp: n[5], Counter: n[6]}}
	if c.read < 0 || c.log < 0 || c.queue < 0 {
		return c, fmt.Errorf("read time %d, log position %d, queue offset %d: none may be negative", c.read, c.log, c.queue)
	}
	return c, nil
}

// openCheck opens or makes the file and reads it; found is false for a new one.
func openCheck(fs vfs.FS, path string) (f vfs.File, c check, found bool, err error) {
	if err := fs.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, c, false, err
	}
	f, err = fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if f, err = fs.Create(path); err == nil {
			err = errors.Join(f.Truncate(checkFileSize), f.Sync(), fs.SyncDir(filepath.Dir(path)))
		}
		return f, c, false, err
	}
	if err != nil {
		return nil, c, false, err
	}
	size, err := f.Size()
	if err != nil {
		return f, c, false, err
	}
	data := make([]byte, min(size, checkSize))
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return f, c, false, err
	}
	if size < checkFileSize {
		if err := f.Truncate(checkFileSize); err != nil {
			return f, c, false, err
		}
	}
	if len(data) == 0 {
		return f, c, false, nil
	}
	if c, err = decodeCheck(data); err != nil {
		return f, c, false, fmt.Errorf("%s: %w", path, err)
	}
	return f, c, c.read > 0 || c.queue > 0, nil
}
