package cqueue

import (
	"errors"
	"os"
	"path/filepath"
)

// Pin keeps DeleteIdle from the queue until Unpin: a message is on its way to it. It
// fails when the queue is being deleted; then it has been when Pin returns, and
// Set.Queue gives another one.
func (q *Queue) Pin() bool {
	q.mu.Lock()
	pinned := !q.mu.deleted
	if pinned {
		q.mu.pins++
	}
	q.mu.Unlock()
	if !pinned {
		q.files.Lock() // held by whoever deletes
		defer q.files.Unlock()
	}
	return pinned
}

// Unpin takes a Pin back.
func (q *Queue) Unpin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.pins--
}

// DeleteIdle removes queue 0 of a topic, which has no other, and its files, if it
// still ends at end and nobody has pinned it. It tells whether it did. Topics that
// were not used in this run are left alone. SyncDir must follow.
func (s *Set) DeleteIdle(topic string, end int64) (bool, error) {
	q := s.known(topic, 0)
	if q == nil {
		return false, nil
	}
	q.files.Lock()
	defer q.files.Unlock()
	if !q.retire(end) {
		return false, nil
	}
	q.mu.Lock()
	err := q.removeFilesLocked()
	q.mu.Unlock()
	err = errors.Join(err, s.cfg.FS.RemoveAll(filepath.Join(s.cfg.Dir, topic)))
	s.mu.Lock()
	delete(s.mu.topics, topic)
	s.mu.Unlock()
	return true, err
}

// retire marks an idle queue as deleted.
func (q *Queue) retire(end int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.deleted || q.mu.pins > 0 || !q.opened.Load() || q.nextLocked() != end {
		return false
	}
	q.retireLocked()
	return true
}

// retireLocked marks the queue as deleted and lets go of its units.
func (q *Queue) retireLocked() {
	q.mu.deleted = true
	q.set.units.Add(q.mu.written - q.mu.max)
	q.mu.written = q.mu.max
	q.mu.tail, q.mu.tailAt = nil, q.mu.max
}

// SyncDir makes removals of topics durable.
func (s *Set) SyncDir() error {
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
