package inspect

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/vfs"
)

// queue is what a check knows of one consume queue. There may be a million.
type queue struct {
	key   cqueue.Key
	batch bool
	there bool    // it has a directory
	files []int64 // where its files start, in units, or in bytes for a batch queue
	// first is where the first unit's record begins, -1 when there is none:
	// records before it are not of this queue, but of an earlier one of the name.
	first int64
	end   int64 // queue offset behind the last unit, known after the pass over the queues
	next  int64 // queue offset behind the last record in the log

	matched int64 // records whose unit is right
	differs int64 // records whose unit is another
	records int64 // of a batch queue, in the log
	build   int64 // records whose units a start builds
	missing int64 // records without a unit that must have one
	lost    place // the first of these
	bad     bool
}

// place is where a record is and where its unit would be.
type place struct{ phy, offset int64 }

// queueFiles reads queue files, keeping some windows of units in memory.
type queueFiles struct {
	d        *Dir
	fileSize int64
	windows  [cachedWindows]window
}

// cachedWindows and windowUnits bound what is kept of queue files: 8 MB.
const (
	cachedWindows = 2048
	windowUnits   = 200
)

type window struct {
	q    *queue
	from int64
	b    []byte
}

func (d *Dir) queueDir(k cqueue.Key, batch bool) string {
	name := "consumequeue"
	if batch {
		name = "batchconsumequeue"
	}
	return filepath.Join(d.cfg.Dir, name, k.Topic, strconv.Itoa(int(k.ID)))
}

// queueFileSize finds out the length of consume queue files, once: that of the
// files of the first queues there are.
func (d *Dir) queueFileSize() (int64, error) {
	if d.cfg.QueueFileSize > 0 {
		return d.cfg.QueueFileSize, nil
	}
	var sample []vfs.Info
	err := d.eachQueueDir("consumequeue", func(k cqueue.Key) error {
		infos, err := d.list(d.queueDir(k, false))
		sample = append(sample, infos...)
		if err == nil && len(sample) > 64 {
			err = io.EOF
		}
		return err
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	size := usualSize(sample, defaultQueueFileSize)
	d.cfg.QueueFileSize = max(size-size%cqueue.UnitSize, cqueue.UnitSize)
	return d.cfg.QueueFileSize, nil
}

// eachQueueDir visits the queues that have directories below one of the folders,
// topics in order.
func (d *Dir) eachQueueDir(folder string, visit func(cqueue.Key) error) error {
	topics, err := d.list(filepath.Join(d.cfg.Dir, folder))
	if err != nil {
		return err
	}
	for _, topic := range topics {
		if !topic.IsDir {
			continue
		}
		ids, err := d.list(filepath.Join(d.cfg.Dir, folder, topic.Name))
		if err != nil {
			return err
		}
		keys := make([]cqueue.Key, 0, len(ids))
		for _, id := range ids {
			if n, err := strconv.ParseInt(id.Name, 10, 32); err == nil && id.IsDir && strconv.Itoa(int(n)) == id.Name {
				keys = append(keys, cqueue.Key{Topic: topic.Name, ID: int32(n)})
			}
		}
		sort.Slice(keys, func(i, j int) bool { return keys[i].ID < keys[j].ID })
		for _, k := range keys {
			if err := visit(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// open looks a queue's files up. Problems with their names and lengths are told
// to fault.
func (f *queueFiles) open(k cqueue.Key, fault func(Problem)) (*queue, error) {
	q := &queue{key: cqueue.Key{Topic: strings.Clone(k.Topic), ID: k.ID}, first: -1}
	infos, err := f.infos(q)
	if err != nil {
		return nil, err
	}
	size, scale := f.fileSize, int64(cqueue.UnitSize)
	if q.batch {
		size, scale = usualSize(infos, defaultBatchFileSize), 1
	}
	for i, info := range infos {
		path := filepath.Join(f.d.queueDir(q.key, q.batch), info.Name)
		start, ok := commitlog.Start(info.Name, size)
		switch {
		case info.IsDir:
			continue
		case !ok:
			fault(Problem{File: path, Offset: -1, Found: "the name " + info.Name, Expected: fmt.Sprintf("20 digits, a multiple of %d", size)})
			q.bad = true
			continue
		case info.Size != size && (f.d.clean || info.Size > size) && (info.Size > 0 || i < len(infos)-1):
			fault(Problem{File: path, Offset: -1, Found: fmt.Sprintf("a length of %d bytes", info.Size), Expected: fmt.Sprintf("%d bytes", size)})
			q.bad = true
		}
		if n := len(q.files); n > 0 && start/scale != q.files[n-1]+size/scale {
			fault(Problem{File: path, Offset: -1, Found: "no file before it", Expected: fmt.Sprintf("one that starts at %d", start-size)})
			q.bad = true
		}
		q.files = append(q.files, start/scale)
	}
	if q.batch {
		return q, f.openBatch(q)
	}
	return q, f.findFirst(q)
}

func (f *queueFiles) infos(q *queue) ([]vfs.Info, error) {
	for _, batch := range []bool{false, true} {
		infos, err := f.d.cfg.FS.ReadDir(f.d.queueDir(q.key, batch))
		if err == nil {
			q.there, q.batch = true, batch
			return infos, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, nil
}

// findFirst finds the first unit that is not blank.
func (f *queueFiles) findFirst(q *queue) error {
	if len(q.files) == 0 {
		return nil
	}
	for off := q.files[0]; off < q.files[0]+f.perFile(); off++ {
		u, ok, err := f.unit(q, off, false)
		if err != nil {
			return err
		}
		if u.Blank() {
			continue
		}
		if ok && f.d.isRecord(u.Phy) {
			q.first = u.Phy
		}
		return nil
	}
	return nil
}

func (f *queueFiles) perFile() int64 { return f.fileSize / cqueue.UnitSize }

// unit reads the unit at a queue offset; ok is false where no data is. fresh
// passes over what is in memory.
func (f *queueFiles) unit(q *queue, off int64, fresh bool) (u cqueue.Unit, ok bool, err error) {
	start := off - off%f.perFile()
	i := sort.Search(len(q.files), func(i int) bool { return q.files[i] >= start })
	if off < 0 || i == len(q.files) || q.files[i] != start {
		return u, false, nil
	}
	from := off - (off-start)%windowUnits
	w := &f.windows[hashOf(q, from)%cachedWindows]
	if fresh || w.q != q || w.from != from {
		if err := f.fill(w, q, start, from); err != nil {
			return u, false, err
		}
	}
	at := (off - from) * cqueue.UnitSize
	if at+cqueue.UnitSize > int64(len(w.b)) {
		return u, false, nil
	}
	u = cqueue.DecodeUnit(w.b[at:])
	return u, u.Size > 0 && u.Phy >= 0 && !u.Blank(), nil
}

func hashOf(q *queue, from int64) uint64 {
	h := uint64(q.key.ID)*0x9E3779B97F4A7C15 + uint64(from)
	for i := range len(q.key.Topic) {
		h = h*31 + uint64(q.key.Topic[i])
	}
	return h ^ h>>29
}

func (f *queueFiles) fill(w *window, q *queue, start, from int64) error {
	w.q, w.from = q, from
	if w.b == nil {
		w.b = make([]byte, windowUnits*cqueue.UnitSize)
	}
	w.b = w.b[:windowUnits*cqueue.UnitSize]
	path := filepath.Join(f.d.queueDir(q.key, false), commitlog.FileName(start*cqueue.UnitSize))
	n, err := f.d.readAt(path, w.b, (from-start)*cqueue.UnitSize)
	w.b = w.b[:n]
	return err
}

// readAt reads what a file has at off, of a file that is gone nothing.
func (d *Dir) readAt(path string, p []byte, off int64) (int, error) {
	file, err := d.cfg.FS.OpenRead(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := file.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, errors.Join(err, file.Close())
}

// lastUnit finds the last unit of a queue by searching its last file that has
// any; off is -1 for none.
func (f *queueFiles) lastUnit(q *queue) (u cqueue.Unit, off int64, err error) {
	for i := len(q.files) - 1; i >= 0; i-- {
		lo, hi := q.files[i], q.files[i]+f.perFile()
		for lo < hi {
			mid := lo + (hi-lo)/2
			u, ok, err := f.unit(q, mid, false)
			if err != nil {
				return u, -1, err
			}
			if ok || u.Blank() {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		if lo > q.files[i] {
			u, ok, err := f.unit(q, lo-1, false)
			if ok || err != nil {
				return u, lo - 1, err
			}
		}
	}
	return cqueue.Unit{}, -1, nil
}

// reaches tells whether a queue has a unit at or behind phy.
func (f *queueFiles) reaches(phy int64) (bool, error) {
	found := false
	err := f.d.eachQueueDir("consumequeue", func(k cqueue.Key) error {
		q, err := f.open(k, func(Problem) {})
		if err != nil {
			return err
		}
		u, off, err := f.lastUnit(q)
		if err == nil && off >= 0 && u.Phy >= phy && u.Phy < math.MaxInt64/2 {
			found, err = true, io.EOF
		}
		return err
	})
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return found, err
}
