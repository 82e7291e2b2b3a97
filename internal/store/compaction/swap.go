package compaction

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/aerobee/aerobee/internal/vfs"
)

// compacting is the directory, below those of a queue, in which a new generation is
// written. A Java broker looks into it only when it compacts.
const compacting = "compacting"

// swapFile, in compacting, is there while a new generation takes the place of the old.
const swapFile = "swap.json"

// swap is the instruction how to get to the new generation. Each step may have been
// done already.
type swap struct {
	Old []int64 `json:"old"` // segments that go
	New []int64 `json:"new"` // segments in compacting that take their place
}

func isNotExist(err error) bool { return errors.Is(err, os.ErrNotExist) }

func (q *Queue) swapPath() string { return filepath.Join(q.w.logDir, compacting, swapFile) }

// commitSwap decides for the new generation, whose files are durable.
func (q *Queue) commitSwap(s swap) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return vfs.ReplaceFile(q.cfg.FS, q.swapPath(), data)
}

// finishSwap takes the steps of a swap that was decided, and forgets what else is
// in compacting.
func (q *Queue) finishSwap() error {
	data, err := vfs.ReadFile(q.cfg.FS, q.swapPath())
	switch {
	case isNotExist(err):
		return q.clearCompacting()
	case err != nil:
		return err
	}
	var s swap
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%s: %w", q.swapPath(), err)
	}
	for _, dir := range []string{q.w.logDir, q.w.cqDir} {
		if err := q.applySwap(dir, s); err != nil {
			return err
		}
	}
	if err := q.cfg.FS.Remove(q.swapPath()); err != nil {
		return err
	}
	if err := q.cfg.FS.SyncDir(filepath.Join(q.w.logDir, compacting)); err != nil {
		return err
	}
	return q.clearCompacting()
}

// applySwap makes the new generation that of one directory.
func (q *Queue) applySwap(dir string, s swap) error {
	from := filepath.Join(dir, compacting)
	for _, base := range s.New {
		err := q.cfg.FS.Rename(filepath.Join(from, fileName(base)), filepath.Join(dir, fileName(base)))
		if err != nil && !isNotExist(err) { // not there: moved already
			return err
		}
	}
	for _, base := range s.Old {
		if slices.Contains(s.New, base) {
			continue
		}
		if err := q.cfg.FS.Remove(filepath.Join(dir, fileName(base))); err != nil && !isNotExist(err) {
			return err
		}
	}
	return errors.Join(q.cfg.FS.SyncDir(from), q.cfg.FS.SyncDir(dir))
}

// clearCompacting removes what a compaction that was not decided has left.
func (q *Queue) clearCompacting() error {
	for _, dir := range []string{q.w.logDir, q.w.cqDir} {
		dir = filepath.Join(dir, compacting)
		infos, err := q.cfg.FS.ReadDir(dir)
		if err != nil && !isNotExist(err) {
			return err
		}
		for _, info := range infos {
			if err := q.cfg.FS.Remove(filepath.Join(dir, info.Name)); err != nil && !isNotExist(err) {
				return err
			}
		}
		if len(infos) > 0 {
			if err := q.cfg.FS.SyncDir(dir); err != nil {
				return err
			}
		}
	}
	return nil
}
