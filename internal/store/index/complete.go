package index

import "github.com/aerobee/aerobee/internal/vfs"

// Lacking tells whether the index is off because the disk was full, so that it can
// be completed when there is room.
func (x *Index) Lacking() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drainLocked()
	return !x.mu.completing && lacksRoom(x.mu.off)
}

// fault is an error for the touch of a mapped page for which there is no room.
type fault struct{ error }

func (f fault) Unwrap() error { return f.error }

func lacksRoom(err error) bool {
	_, touched := err.(fault)
	return touched || vfs.NoSpace(err)
}

// Complete turns the index on again: entries of records at or behind phy are
// dropped, and read gives the keys of all records from there on to what is the end
// of the log when it is called, in their order. What Add brings meanwhile follows.
// After an error the index is off as before. Not to be called concurrently.
func (x *Index) Complete(phy int64, read func(put func([]Key) error) (end int64, err error)) error {
	x.mu.Lock()
	x.mu.completing, x.mu.off = true, nil
	x.guardLocked(func() error { return x.recover(Killed, phy) })
	err := x.mu.off
	x.mu.Unlock()
	var end int64
	if err == nil {
		end, err = read(x.putNow)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mu.completing = false
	if err != nil {
		if x.mu.off == nil {
			x.turnOffLocked(err)
		}
		return err
	}
	x.mu.done = end
	x.drainLocked()
	return x.mu.off
}

// putNow puts keys past those that wait.
func (x *Index) putNow(keys []Key) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.guardLocked(func() error { return x.putLocked(keys) })
	return x.mu.off
}
