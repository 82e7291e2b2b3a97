package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Repaired is what a repair did.
type Repaired struct {
	Dir  string   // where copies of everything that was changed are
	Done []string // a line each
	Left []string // problems that remain
}

// maxRepairProblems is how many problems a repair lists in its report.
const maxRepairProblems = 10_000

// maxMissingFiles is up to how many missing files of the log are replaced. With
// more, what looks like a part of the log is something else.
const maxMissingFiles = 1024

// repairer is one repair under way.
type repairer struct {
	cfg   store.Config
	d     *Dir
	c     *checker
	out   *Repaired
	again bool // topics must be restored: leave the store marked as not closed
}

// Repair mends the store that cfg describes, holding its lock, so that a start
// finds nothing damaged and serves everything that is intact. It returns nil when
// there is nothing to mend. An ended or failed repair can be begun again: until
// all is done the store counts as not closed, without a checkpoint.
func Repair(ctx context.Context, cfg store.Config) (*Repaired, error) {
	if _, err := cfg.FS.Stat(cfg.Dir); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	lock, err := cfg.FS.Lock(filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return nil, err
	}
	r := &repairer{cfg: cfg}
	err = r.run(ctx)
	if errors.Is(err, ErrNoStore) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("repair: %w", err)
	}
	return r.out, errors.Join(err, lock.Close())
}

func (r *repairer) open() (err error) {
	r.d, err = Open(Config{
		FS: r.cfg.FS, Dir: r.cfg.Dir, CommitLogDir: r.cfg.CommitLogDir, CommitLogFileSize: r.cfg.CommitLogFileSize,
		QueueFileSize: r.cfg.QueueFileSize, IndexSlots: r.cfg.IndexSlots, IndexEntries: r.cfg.IndexEntries, MaxProblems: maxRepairProblems,
	})
	if err == nil {
		r.d.record.CRC = r.cfg.AppendCRC
	}
	return err
}

func (r *repairer) run(ctx context.Context) error {
	if err := r.open(); err != nil {
		return err
	}
	defer func() { r.d.Close() }()
	var err error
	if r.c, err = r.d.check(ctx, true); err != nil || r.c.report.Sound() {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	if moved, err := r.moveForeign(); err != nil {
		return err
	} else if moved { // look again without them
		if err := r.reopen(ctx); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{r.mendLog, r.mendQueues, r.mendConfig, r.finish} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := r.lookAgain(ctx); err != nil {
		return err
	}
	return r.writeReport()
}

// lookAgain checks the mended store for what could not be mended.
func (r *repairer) lookAgain(ctx context.Context) error {
	d, err := Open(r.d.cfg)
	if err != nil {
		return err
	}
	report, err := d.Check(ctx)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, p := range report.Problems {
		r.out.Left = append(r.out.Left, p.String())
	}
	return nil
}

func (r *repairer) reopen(ctx context.Context) error {
	clean, checkpoint := r.d.clean, r.d.checkpoint
	if err := r.d.Close(); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	r.d.clean, r.d.checkpoint = clean, checkpoint
	var err error
	r.c, err = r.d.check(ctx, true)
	return err
}

func (r *repairer) done(format string, args ...any) {
	r.out.Done = append(r.out.Done, fmt.Sprintf(format, args...))
}

// begin makes the folder for copies and marks the store as not closed.
func (r *repairer) begin() error {
	dir := filepath.Join(r.cfg.Dir, "repair-"+r.cfg.Now().UTC().Format("20060102T150405.000Z"))
	if err := r.cfg.FS.MkdirAll(dir); err != nil {
		return err
	}
	r.out = &Repaired{Dir: dir}
	abort, err := r.cfg.FS.Create(filepath.Join(r.cfg.Dir, "abort"))
	if err != nil {
		return err
	}
	if err := errors.Join(abort.Sync(), abort.Close()); err != nil {
		return err
	}
	return r.moveAside(filepath.Join(r.cfg.Dir, "checkpoint"))
}

// aside is the path of a file's copy.
func (r *repairer) aside(path string) string {
	rel, err := filepath.Rel(r.cfg.Dir, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		rel = filepath.Join("commitlog", filepath.Base(path))
	}
	return filepath.Join(r.out.Dir, rel)
}

// moveAside moves a file, if it is there, to the copies.
func (r *repairer) moveAside(path string) error {
	to := r.aside(path)
	if err := r.cfg.FS.MkdirAll(filepath.Dir(to)); err != nil {
		return err
	}
	err := r.cfg.FS.Rename(path, to)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil { // another file system
		if err := r.copyAside(path, 0, -1, ""); err != nil {
			return err
		}
		if err := r.cfg.FS.Remove(path); err != nil {
			return err
		}
	}
	return errors.Join(r.cfg.FS.SyncDir(filepath.Dir(to)), r.cfg.FS.SyncDir(filepath.Dir(path)))
}

// copyAside copies [from, to) of a file, to < 0 for all of it, to the copies,
// under its name and suffix. Zeros take no space there.
func (r *repairer) copyAside(path string, from, to int64, suffix string) error {
	src, err := r.cfg.FS.OpenRead(path)
	if err != nil {
		return err
	}
	defer src.Close()
	size, err := src.Size()
	if err != nil {
		return err
	}
	if to < 0 || to > size {
		to = size
	}
	target := r.aside(path) + suffix
	if err := r.cfg.FS.MkdirAll(filepath.Dir(target)); err != nil {
		return err
	}
	dst, err := r.cfg.FS.Create(target)
	if err != nil {
		return err
	}
	err = dst.Truncate(max(0, to-from))
	buf, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := from; at < to && err == nil; {
		b := buf[:min(int64(len(buf)), to-at)]
		var n int
		if n, err = src.ReadAt(b, at); errors.Is(err, io.EOF) && n == len(b) {
			err = nil
		}
		if err == nil && !bytes.Equal(b, zeros[:len(b)]) {
			_, err = dst.WriteAt(b, at-from)
		}
		at += int64(len(b))
	}
	if err == nil {
		err = dst.Sync()
	}
	return errors.Join(err, dst.Close(), r.cfg.FS.SyncDir(filepath.Dir(target)))
}

// moveForeign moves files of the log aside that cannot be of it, and gives others
// the right length.
func (r *repairer) moveForeign() (moved bool, err error) {
	for _, f := range r.d.files {
		if !f.length {
			if err := r.moveAside(f.path); err != nil {
				return false, err
			}
			r.done("%s: moved aside, its name is not that of a commit log file of this size", f.path)
			moved = true
			continue
		}
		if err := errors.Join(r.copyAside(f.path, 0, -1, ""), r.resize(f.path, r.cfg.CommitLogFileSize)); err != nil {
			return false, err
		}
		r.done("%s: given the length of %d bytes", f.path, r.cfg.CommitLogFileSize)
	}
	for i := len(r.d.runs) - 1; i > 0; i-- {
		older, newer := r.d.runs[i-1], r.d.runs[i]
		missing := (newer.Min() - older.Limit()) / r.cfg.CommitLogFileSize
		if missing <= maxMissingFiles {
			continue
		}
		odd := older
		if older.Files() > newer.Files() {
			odd = newer
		}
		for at := odd.Min(); at < odd.Limit(); at += r.cfg.CommitLogFileSize {
			if err := r.moveAside(odd.Path(at)); err != nil {
				return false, err
			}
		}
		r.done("%s and the %d files from there on: moved aside, because %d files are missing between them and the others", odd.Path(odd.Min()), odd.Files(), missing)
		return true, nil // once is all that a stray file can cause; more is found again by the next look
	}
	return moved, nil
}

func (r *repairer) resize(path string, size int64) error {
	f, err := r.cfg.FS.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

// mendQueues moves queues and the index aside that are damaged, and builds them
// again from the log.
func (r *repairer) mendQueues(ctx context.Context) error {
	rebuild := make(map[cqueue.Key]bool)
	all := r.newCheckpoint()
	for _, q := range r.c.queues {
		if q.batch || !q.bad && !(all && q.build > 0) {
			continue
		}
		rebuild[q.key] = true
		if err := r.moveDir(r.d.queueDir(q.key, false)); err != nil {
			return err
		}
		note := ""
		if q.next == 0 {
			note = "; the log has none of its messages, so that its numbering begins anew"
		}
		r.done("consume queue %s/%d: moved aside and built again from the log%s", q.key.Topic, q.key.ID, note)
	}
	dir := filepath.Join(r.cfg.Dir, "index")
	rebuildIndex := r.c.badIndex || all || len(r.c.damaged) > 0 || len(r.c.suspect) > 0
	if rebuildIndex {
		if err := r.moveDir(dir); err != nil {
			return err
		}
		r.done("the message index: moved aside, and built again from the log if it is on (messageIndexEnable)")
	}
	if len(rebuild) == 0 && !rebuildIndex || len(r.d.runs) == 0 {
		return nil
	}
	return r.rebuild(ctx, rebuild, rebuildIndex && r.cfg.Index, dir)
}

func (r *repairer) rebuild(ctx context.Context, queues map[cqueue.Key]bool, withIndex bool, dir string) error {
	log, err := r.openMended()
	if err != nil {
		return err
	}
	var x *index.Index
	if withIndex {
		x, err = index.Open(index.Config{FS: r.cfg.FS, Dir: dir, Slots: r.cfg.IndexSlots, Max: r.cfg.IndexEntries, Logger: r.cfg.Logger, Now: r.cfg.Now}, index.Closed, 0)
		if err != nil {
			return errors.Join(err, log.Close())
		}
	}
	err = store.Rebuild(ctx, r.cfg, log, func(topic string, id int32) bool { return queues[cqueue.Key{Topic: topic, ID: id}] }, x)
	if x != nil {
		err = errors.Join(err, x.Close())
	}
	return errors.Join(err, log.Close())
}

// openMended opens the log as it is after mendLog: in one run.
func (r *repairer) openMended() (*commitlog.Log, error) {
	first, last := r.d.runs[0].Min(), r.d.runs[len(r.d.runs)-1].Limit()
	var starts []int64
	for at := first; at < last; at += r.cfg.CommitLogFileSize {
		starts = append(starts, at)
	}
	log, err := commitlog.OpenRead(r.cfg.FS, r.d.cfg.CommitLogDir, r.cfg.CommitLogFileSize, starts)
	if err == nil {
		log.SetEnd(log.Limit())
	}
	return log, err
}

// moveDir moves the files of a directory aside and removes it.
func (r *repairer) moveDir(dir string) error {
	infos, err := r.d.list(dir)
	if err != nil || infos == nil {
		return err
	}
	for _, info := range infos {
		if info.IsDir {
			continue
		}
		if err := r.moveAside(filepath.Join(dir, info.Name)); err != nil {
			return err
		}
	}
	return r.cfg.FS.RemoveAll(dir)
}

// mendConfig moves config files aside that cannot be read, so that a start takes
// the previous generation or begins without.
func (r *repairer) mendConfig(context.Context) error {
	for _, path := range r.c.badConfig {
		if err := r.moveAside(path); err != nil {
			return err
		}
		if strings.HasPrefix(filepath.Base(path), "topics.json") {
			r.again = true
		}
		r.done("%s: moved aside, it cannot be read; its previous generation or the defaults take its place", path)
	}
	return nil
}

// newCheckpoint tells whether the checkpoint that was found cannot be used.
func (r *repairer) newCheckpoint() bool {
	return r.c.badCheckpoint || r.d.checkpoint.LogTime > r.c.last.offset || find(r.c.damaged, r.d.checkpoint.QueueOffset) != nil
}

// finish writes the checkpoint and marks the store as it was marked before.
func (r *repairer) finish(ctx context.Context) error {
	k := r.d.checkpoint
	if (r.newCheckpoint() || r.d.clean) && len(r.d.runs) > 0 {
		log, err := r.openMended()
		if err != nil {
			return err
		}
		last, t := int64(0), int64(0)
		_, err = log.Scan(log.Min(), r.d.record, func(off int64, _ int32, m *message.Message) error {
			last, t = off, m.StoreTimestamp
			return ctx.Err()
		})
		if err = errors.Join(err, log.Close()); err != nil {
			return err
		}
		k.LogTime, k.QueueTime, k.QueueOffset = t, t, last
		k.IndexTime = t
	}
	if err := store.WriteCheckpoint(r.cfg.FS, r.cfg.Dir, k); err != nil {
		return err
	}
	if !r.d.clean || r.again {
		return nil
	}
	return errors.Join(r.cfg.FS.Remove(filepath.Join(r.cfg.Dir, "abort")), r.cfg.FS.SyncDir(r.cfg.Dir))
}

// writeReport writes what was done beside the copies.
func (r *repairer) writeReport() error {
	var b strings.Builder
	fmt.Fprintf(&b, "What the repair of %s found and did. Everything that it changed is here as it was before.\n\nFound:\n", r.cfg.Dir)
	for _, p := range r.c.report.Problems {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	if r.c.report.More > 0 {
		fmt.Fprintf(&b, "  and %d more\n", r.c.report.More)
	}
	b.WriteString("\nDone:\n")
	for _, line := range r.out.Done {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	if len(r.out.Left) > 0 {
		b.WriteString("\nLeft as it is:\n")
	}
	for _, line := range r.out.Left {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return vfs.ReplaceFile(r.cfg.FS, filepath.Join(r.out.Dir, "report.txt"), []byte(b.String()))
}
