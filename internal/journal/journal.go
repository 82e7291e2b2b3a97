package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Suffixes of the journal's names: the one in use, and the one that is to take
// its place together with a new generation of the file.
const (
	suffix     = ".journal"
	nextSuffix = ".journal.next"
)

// Bounds.
const (
	// maxPending is how many bytes of changes may wait for the disk. Beyond, only
	// a rewrite of the file catches up.
	maxPending = 64 << 20
	// maxBytes bounds a journal, so that a start can read it.
	maxBytes = vfs.MaxStateFile / 2
)

// errBehind is in the way of a journal that a slow or full disk left behind.
var errBehind = errors.New("too many changes wait to be written")

// Config connects a journal to the state that it keeps. All fields are required.
type Config struct {
	FS   vfs.FS
	Path string // of the state file
	Log  *slog.Logger
	Now  func() time.Time
	// Load takes in a whole file, in place of anything it was given before, and
	// Apply a change on top of it. Only Open calls them. They own what they get.
	Load, Apply func([]byte) error
	// Write writes the present state as the file has it. It must contain every
	// change appended before the call and may contain later ones, which are
	// applied to it again. After a change it must never write what it has written
	// before: the data version makes the difference.
	Write func(io.Writer) error
}

// Journal is the way of a state to the disk. See Open.
type Journal struct {
	cfg  Config
	wake chan struct{}

	rewriting sync.Mutex // held while the file is written

	io struct {
		sync.Mutex          // held while the journal is written
		file       vfs.File // nil while there is none
		size       int64    // end of its last whole record
		base       identity // of the state file
	}

	mu struct {
		sync.Mutex
		pending   []byte    // encoded records that are not in the journal
		appended  uint64    // changes so far
		saved     uint64    // changes on disk
		err       error     // why the journal cannot be written until a rewrite
		behind    bool      // pending has lost changes since the last rewrite began
		tried     time.Time // end of the last rewrite, or of the last failure
		rewritten int64     // size of the file
		journaled int64     // bytes of records in the journal
	}
}

// Append notes a change, which must be in the state already. It does not touch the
// disk; see Flush. Calls must come in the order of the changes. The record is
// copied.
func (j *Journal) Append(record []byte) {
	j.mu.Lock()
	j.mu.appended++
	if len(j.mu.pending)+len(record) > maxPending {
		j.mu.pending, j.mu.behind, j.mu.err = nil, true, errBehind
	} else {
		j.mu.pending = appendFrame(j.mu.pending, record)
	}
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Flush makes the changes appended so far durable. Callers that come together
// share one sync.
func (j *Journal) Flush() error {
	j.mu.Lock()
	want := j.mu.appended
	done := j.mu.saved >= want
	j.mu.Unlock()
	if done {
		return nil
	}
	j.io.Lock()
	defer j.io.Unlock()
	j.mu.Lock()
	data, upTo, err := j.mu.pending, j.mu.appended, j.mu.err
	done = j.mu.saved >= want
	if done || err != nil {
		j.mu.Unlock()
		if done {
			return nil
		}
		return err
	}
	j.mu.pending = nil
	j.mu.Unlock()
	err = j.writeLocked(data)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.mu.err, j.mu.tried = fmt.Errorf("write %s: %w", j.cfg.Path+suffix, err), j.cfg.Now()
		j.mu.behind = true
		return j.mu.err
	}
	j.mu.saved = upTo
	j.mu.journaled = j.io.size - headerSize
	return nil
}

// writeLocked appends records to the journal, which is made when there is none,
// and syncs it. j.io must be locked.
func (j *Journal) writeLocked(frames []byte) error {
	fresh := j.io.file == nil
	if fresh {
		f, err := create(j.cfg.FS, j.cfg.Path+suffix, j.io.base)
		if err != nil {
			return err
		}
		j.io.file, j.io.size = f, headerSize
	}
	if j.io.size+int64(len(frames)) > maxBytes {
		return fmt.Errorf("it would have more than %d bytes", int64(maxBytes))
	}
	seal(frames, j.io.base)
	if _, err := j.io.file.WriteAt(frames, j.io.size); err != nil {
		return err
	}
	if err := j.io.file.Sync(); err != nil {
		return err
	}
	if fresh {
		if err := j.cfg.FS.SyncDir(filepath.Dir(j.cfg.Path)); err != nil {
			return err
		}
	}
	j.io.size += int64(len(frames))
	return nil
}

// create makes a journal without records. It is not durable yet.
func create(fs vfs.FS, path string, base identity) (vfs.File, error) {
	if err := fs.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := fs.Create(path)
	if err != nil {
		return nil, err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(base.header(), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Run writes changes and the file until ctx ends. Close afterwards.
func (j *Journal) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return j.Flush()
		case <-j.wake:
		case <-timer.C:
		}
		if err := errors.Join(j.Maintain(), j.Flush()); err != nil {
			j.cfg.Log.Error("cannot write a state file", "path", j.cfg.Path, "error", err)
		}
		if rest, needed := j.rest(); needed {
			timer.Reset(rest)
		}
	}
}

// Close writes the file if it is not complete, and ends the use of the journal.
// It may be called again.
func (j *Journal) Close() error {
	j.mu.Lock()
	complete := j.mu.err == nil && j.mu.saved == j.mu.appended && j.mu.journaled == 0
	j.mu.Unlock()
	if !complete {
		// The file alone need not come to be: then the journal has what it lacks.
		if err := j.Rewrite(); err != nil {
			return errors.Join(err, j.Flush())
		}
	}
	j.io.Lock()
	defer j.io.Unlock()
	if j.io.file == nil {
		return nil
	}
	err := j.io.file.Close()
	j.io.file = nil
	return err
}
