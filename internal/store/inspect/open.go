package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// ErrNoStore says that a directory is not a store, or not one of this kind.
var ErrNoStore = errors.New("not a store")

// Config says which directory. Sizes are recorded nowhere: those that are 0 are
// taken from the lengths of the files.
type Config struct {
	FS           vfs.FS
	Dir          string
	CommitLogDir string // empty: Dir/commitlog

	CommitLogFileSize int64 // mappedFileSizeCommitLog
	QueueFileSize     int64 // mappedFileSizeConsumeQueue
	IndexSlots        int64 // maxHashSlotNum
	IndexEntries      int64 // maxIndexNum

	// MaxProblems is how many problems a report lists; the others are counted.
	MaxProblems int
	// Progress is told now and then how far a part of a check is; may be nil.
	Progress func(part string, done, total int64)
}

// Defaults of Java for sizes that no file tells.
const (
	defaultLogFileSize   = 1 << 30
	defaultQueueFileSize = 6_000_000
	defaultBatchFileSize = 13_800_000
	defaultIndexSlots    = 5_000_000
	defaultIndexEntries  = 20_000_000
	timerLogFileSize     = 100 << 20
)

// Dir is a store directory. Close it. Its methods are not safe for concurrent use.
type Dir struct {
	cfg        Config
	record     message.Options
	clean      bool // no abort file
	checkpoint store.Checkpoint
	runs       []*commitlog.Log // files that follow each other, oldest first
	bad        []Problem        // found while opening
	files      []fileFault      // what a repair must move aside or lengthen
}

// fileFault is a file of the log with a wrong name or length.
type fileFault struct {
	path   string
	length bool // only the length is wrong
}

// Open looks at a directory. It fails with ErrNoStore when there is no store.
func Open(cfg Config) (*Dir, error) {
	if cfg.CommitLogDir == "" {
		cfg.CommitLogDir = filepath.Join(cfg.Dir, "commitlog")
	}
	if cfg.MaxProblems <= 0 {
		cfg.MaxProblems = 100
	}
	d := &Dir{cfg: cfg, record: message.Options{CheckCRC: true}}
	if err := d.recognise(); err != nil {
		return nil, err
	}
	_, err := cfg.FS.Stat(filepath.Join(cfg.Dir, "abort"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	d.clean = err != nil
	if d.checkpoint, err = store.ReadCheckpoint(cfg.FS, cfg.Dir); err != nil { // before the log, which may grow
		return nil, err
	}
	if err := d.openLog(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Dir) recognise() error {
	infos, err := d.cfg.FS.ReadDir(d.cfg.Dir)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", d.cfg.Dir, ErrNoStore, err)
	}
	names := []string{"commitlog", "consumequeue", "checkpoint", "abort"}
	for _, info := range infos {
		if slices.Contains(names, info.Name) {
			return nil
		}
	}
	if _, err := d.cfg.FS.Stat(d.cfg.CommitLogDir); err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: none of commitlog, consumequeue, checkpoint and abort is there", d.cfg.Dir, ErrNoStore)
}

// list is ReadDir without an error for a directory that is not there.
func (d *Dir) list(dir string) ([]vfs.Info, error) {
	infos, err := d.cfg.FS.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return infos, err
}

// usualSize is the length that most files have, of equally many the larger.
func usualSize(infos []vfs.Info, otherwise int64) int64 {
	count := make(map[int64]int)
	best := int64(0)
	for _, info := range infos {
		if info.IsDir || info.Size == 0 {
			continue
		}
		count[info.Size]++
		if n := count[info.Size]; best == 0 || n > count[best] || n == count[best] && info.Size > best {
			best = info.Size
		}
	}
	if best == 0 {
		return otherwise
	}
	return best
}

// openLog opens the files of the log, each unbroken run of them as a log.
func (d *Dir) openLog() error {
	infos, err := d.list(d.cfg.CommitLogDir)
	if err != nil {
		return err
	}
	if d.cfg.CommitLogFileSize == 0 {
		d.cfg.CommitLogFileSize = usualSize(infos, defaultLogFileSize)
	}
	size := d.cfg.CommitLogFileSize
	if size < message.MinRecordSize {
		return fmt.Errorf("%s: %w: files of %d bytes", d.cfg.CommitLogDir, ErrNoStore, size)
	}
	var starts []int64
	for i, info := range infos {
		path := filepath.Join(d.cfg.CommitLogDir, info.Name)
		start, ok := commitlog.Start(info.Name, size)
		switch {
		case info.IsDir:
			continue
		case !ok:
			d.fault(fileFault{path: path}, Problem{File: path, Offset: -1, Found: "the name " + info.Name, Expected: fmt.Sprintf("20 digits, a multiple of %d", size)})
			continue
		case info.Size == 0 && i == len(infos)-1: // made, but not yet lengthened: deleted by any start
			continue
		case info.Size != size:
			d.fault(fileFault{path: path, length: true}, Problem{File: path, Offset: -1, Found: fmt.Sprintf("a length of %d bytes", info.Size), Expected: fmt.Sprintf("%d bytes", size)})
		}
		starts = append(starts, start)
	}
	return d.openRuns(starts)
}

func (d *Dir) fault(f fileFault, p Problem) {
	d.files = append(d.files, f)
	d.bad = append(d.bad, p)
}

func (d *Dir) openRuns(starts []int64) error {
	size := d.cfg.CommitLogFileSize
	for len(starts) > 0 {
		n := 1
		for n < len(starts) && starts[n] == starts[n-1]+size {
			n++
		}
		run, err := commitlog.OpenRead(d.cfg.FS, d.cfg.CommitLogDir, size, starts[:n])
		if errors.Is(err, os.ErrNotExist) && len(d.runs) == 0 { // expired since the directory was read
			starts = starts[1:]
			continue
		}
		if err != nil {
			return err
		}
		run.SetEnd(run.Limit())
		if k := len(d.runs); k > 0 {
			before := d.runs[k-1].Limit()
			d.bad = append(d.bad, Problem{
				File: filepath.Join(d.cfg.CommitLogDir, commitlog.FileName(before)), Offset: -1,
				Found: "no such file", Expected: fmt.Sprintf("%d files between those that start at %d and %d", (run.Min()-before)/size, before-size, run.Min()),
			})
		}
		d.runs = append(d.runs, run)
		starts = starts[n:]
	}
	return nil
}

// Close closes the files.
func (d *Dir) Close() error {
	var errs []error
	for _, run := range d.runs {
		errs = append(errs, run.Close())
	}
	d.runs = nil
	return errors.Join(errs...)
}

// run is the part of the log in which offset lies, nil for none.
func (d *Dir) run(offset int64) *commitlog.Log {
	for _, r := range d.runs {
		if offset >= r.Min() && offset < r.Limit() {
			return r
		}
	}
	return nil
}

// recordAt appends the record at a physical offset to dst.
func (d *Dir) recordAt(offset int64, dst []byte) ([]byte, error) {
	r := d.run(offset)
	if r == nil {
		return dst, commitlog.ErrNotFound
	}
	return r.Record(offset, dst)
}

// isRecord tells whether a record starts at a physical offset, or did before it
// expired.
func (d *Dir) isRecord(offset int64) bool {
	if offset < d.logMin() {
		return true
	}
	r := d.run(offset)
	if r == nil {
		return false
	}
	ok, err := r.HasRecord(offset)
	return ok && err == nil
}

func (d *Dir) logMin() int64 {
	if len(d.runs) == 0 {
		return 0
	}
	return d.runs[0].Min()
}

// indexSizes are the numbers of slots and entries of index files of a length.
// Unless they are given, they are in the proportion of Java's defaults.
func (d *Dir) indexSizes(length int64) (slots, entries int64, ok bool) {
	slots, entries = d.cfg.IndexSlots, d.cfg.IndexEntries
	switch per := int64(index.SlotSize + 4*index.EntrySize); {
	case slots > 0 && entries > 0:
	case index.FileLen(defaultIndexSlots, defaultIndexEntries) == length:
		slots, entries = defaultIndexSlots, defaultIndexEntries
	case slots == 0 && entries == 0 && length > index.HeaderSize && (length-index.HeaderSize)%per == 0:
		slots = (length - index.HeaderSize) / per
		entries = 4 * slots
	case slots > 0:
		entries = (length - index.HeaderSize - slots*index.SlotSize) / index.EntrySize
	case entries > 0:
		slots = (length - index.HeaderSize - entries*index.EntrySize) / index.SlotSize
	}
	return slots, entries, slots > 0 && entries > 1 && index.FileLen(slots, entries) == length
}
