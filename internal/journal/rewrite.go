package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Pace of rewrites: a file with changes in its journal is written anew after
// restLeast, and bigger ones not faster than restBytes a second; at once when the
// journal is as big as the file, but not below journalLeast. After a failure the
// next attempt comes after retryRest.
const (
	restLeast    = time.Second
	restBytes    = 128 << 10
	journalLeast = 1 << 20
	retryRest    = time.Second
)

// rest is the time until the file is to be written; needed is false when its
// journal is empty.
func (j *Journal) rest() (rest time.Duration, needed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.mu.err != nil:
		rest = retryRest
	case j.mu.journaled == 0:
		return 0, false
	case j.mu.journaled >= max(j.mu.rewritten, journalLeast):
		return 0, true
	default:
		rest = max(restLeast, time.Duration(j.mu.rewritten/restBytes)*time.Second)
	}
	return max(j.mu.tried.Add(rest).Sub(j.cfg.Now()), 0), true
}

// Maintain writes the file if it is time. Run does it by itself.
func (j *Journal) Maintain() error {
	if rest, needed := j.rest(); !needed || rest > 0 {
		return nil
	}
	return j.Rewrite()
}

// Rewrite writes the file anew, with all changes appended so far.
func (j *Journal) Rewrite() (err error) {
	j.rewriting.Lock()
	defer j.rewriting.Unlock()
	defer func() {
		j.mu.Lock()
		j.mu.tried = j.cfg.Now()
		j.mu.Unlock()
		if err != nil {
			err = fmt.Errorf("rewrite %s: %w", j.cfg.Path, err)
		}
	}()
	_ = j.Flush() // so that what waits need not be kept; a failure is a reason more to write the file
	covers, from := j.begin()
	r, id, err := j.write()
	if err != nil {
		return err
	}
	return j.swap(r, id, covers, from)
}

// begin tells which changes a rewrite that begins now will cover, and the end of
// the journal. A journal that cannot be written any more collects anew from here.
func (j *Journal) begin() (covers uint64, from int64) {
	j.io.Lock()
	defer j.io.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.err != nil {
		j.mu.pending, j.mu.behind = nil, false
	}
	return j.mu.appended, j.io.size
}

// sum identifies what goes through it.
type sum struct {
	to *vfs.Replacement
	id identity
}

func (s *sum) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.id.add(p[:n])
	return n, err
}

// write makes a durable new generation of the file under its temporary name.
func (j *Journal) write() (*vfs.Replacement, identity, error) {
	r, err := vfs.NewReplacement(j.cfg.FS, j.cfg.Path)
	if err != nil {
		return nil, identity{}, err
	}
	s := &sum{to: r}
	if err = j.cfg.Write(s); err == nil {
		err = r.Sync()
	}
	if err != nil {
		return nil, identity{}, errors.Join(err, r.Abort())
	}
	return r, s.id, nil
}

// swap puts the new generation in place of the old one, together with a journal
// of what was appended since the rewrite began.
func (j *Journal) swap(r *vfs.Replacement, id identity, covers uint64, from int64) error {
	j.io.Lock()
	defer j.io.Unlock()
	tail, err := j.tailLocked(from)
	if err != nil {
		return err
	}
	next, err := j.prepare(id, tail)
	if err != nil {
		return err
	}
	err = r.Commit()
	if err == nil {
		err = j.replaceLocked(next != nil)
	}
	if err != nil && next != nil {
		err = errors.Join(err, next.Close())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil { // either generation may be on disk: the old journal is not enough any more
		j.mu.err = err
		return err
	}
	if j.io.file != nil {
		_ = j.io.file.Close() // of no use any more, whatever this says
	}
	j.io.file, j.io.base, j.io.size = next, id, headerSize+int64(len(tail))
	j.mu.saved = max(j.mu.saved, covers)
	j.mu.rewritten, j.mu.journaled = id.size, int64(len(tail))
	if !j.mu.behind {
		j.mu.err = nil
	}
	return nil
}

// tailLocked reads the records from an offset of the journal to its end. All of
// them are synced.
func (j *Journal) tailLocked(from int64) ([]byte, error) {
	tail := make([]byte, j.io.size-from)
	if len(tail) == 0 {
		return nil, nil
	}
	if n, err := j.io.file.ReadAt(tail, from); n < len(tail) {
		return nil, err
	}
	return tail, nil
}

// prepare makes the journal of the new generation durable under its temporary
// name; none when there is nothing to put into it.
func (j *Journal) prepare(id identity, tail []byte) (vfs.File, error) {
	if len(tail) == 0 {
		return nil, nil
	}
	f, err := create(j.cfg.FS, j.cfg.Path+nextSuffix, id)
	if err != nil {
		return nil, err
	}
	seal(tail, id)
	if _, err = f.WriteAt(tail, headerSize); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.cfg.FS.SyncDir(filepath.Dir(j.cfg.Path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// replaceLocked puts the prepared journal in the place of the old one, or takes
// the old one away with what a failed attempt has left. Until now a power cut could
// have needed them.
func (j *Journal) replaceLocked(prepared bool) error {
	fs, path := j.cfg.FS, j.cfg.Path
	if prepared {
		if err := fs.Rename(path+nextSuffix, path+suffix); err != nil {
			return err
		}
		return fs.SyncDir(filepath.Dir(path))
	}
	for _, old := range []string{path + suffix, path + nextSuffix} {
		if err := fs.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return fs.SyncDir(filepath.Dir(path))
}
