package cqueue

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aerobee/aerobee/internal/store/commitlog"
)

// A Java broker with enableConsumeQueueExt writes into a unit, in the place of the
// tags code, the address of an entry of extended queue files, which has the tags
// code. Here they are only read, and removed with their queue.

// extHead is the beginning of such an entry: 2 bytes size, 8 tags code, 8 store
// time, 2 size of a bit map that follows.
const extHead = 20

// IsExt tells whether the tags code of a unit is such an address.
func (u Unit) IsExt() bool { return u.TagsCode < math.MinInt32 }

// extOffset is the offset in the extended files that an address stands for.
func extOffset(address int64) int64 { return address - math.MinInt64 }

func (s *Set) extDir(k Key) string {
	return filepath.Join(s.cfg.ExtDir, k.Topic, strconv.Itoa(int(k.ID)))
}

// ExtTagsCode reads the tags code of a unit with IsExt. ok is false when it cannot
// be read; then nobody knows the tags.
func (q *Queue) ExtTagsCode(u Unit) (code int64, ok bool) {
	at := extOffset(u.TagsCode)
	start := at - at%q.set.cfg.ExtFileSize
	f, err := q.set.handles.get(filepath.Join(q.set.extDir(q.key), commitlog.FileName(start)), 0)
	if err != nil {
		return 0, false
	}
	var b [extHead]byte
	_, err = f.ReadAt(b[:], at-start)
	if errors.Join(err, q.set.handles.put(f)) != nil || binary.BigEndian.Uint16(b[:]) < extHead {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b[2:])), true
}

// maxExtSearch is how many units are looked at for an address when extended files
// are to be removed: a queue has few without one between those with one.
const maxExtSearch = 4096

// RemoveExt removes the extended files that no unit of the queue needs any more,
// but never the last.
func (q *Queue) RemoveExt() error {
	infos, err := q.set.cfg.FS.ReadDir(q.set.extDir(q.key))
	if errors.Is(err, os.ErrNotExist) || len(infos) < 2 {
		return nil
	}
	if err != nil {
		return err
	}
	first, found, err := q.firstExt()
	if err != nil || !found {
		return err
	}
	for _, info := range infos[:len(infos)-1] {
		start, err := strconv.ParseInt(info.Name, 10, 64)
		if err != nil || start+q.set.cfg.ExtFileSize > extOffset(first.TagsCode) {
			break
		}
		path := filepath.Join(q.set.extDir(q.key), info.Name)
		if err := q.set.handles.remove(path); err != nil {
			return err
		}
	}
	return nil
}

// firstExt finds the first unit with an address.
func (q *Queue) firstExt() (Unit, bool, error) {
	at, err := q.minPosition()
	units := make([]Unit, keepUnits)
	for looked := 0; err == nil && looked < maxExtSearch; {
		var n int
		if n, err = q.read(units, at); n == 0 {
			break
		}
		for _, u := range units[:n] {
			if u.IsExt() {
				return u, true, nil
			}
		}
		looked += n
		at += int64(n)
	}
	return Unit{}, false, err
}
