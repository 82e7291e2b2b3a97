package cqueue

// Min is the offset of the first unit whose record is still in the log. When
// all records of the queue are gone it is Max: the queue keeps its numbering.
func (q *Queue) Min() (int64, error) {
	at, err := q.minPosition()
	if err != nil {
		return 0, err
	}
	return q.offsetOf(at)
}

func (q *Queue) minPosition() (int64, error) {
	logMin := q.set.cfg.LogMin()
	q.mu.Lock()
	lo, hi, known := q.mu.min, q.mu.max, q.mu.minFor
	q.mu.Unlock()
	if lo == hi || logMin <= known {
		return lo, nil
	}
	first, err := q.first(lo, hi, func(u Unit) (bool, error) { return u.Phy >= logMin, nil })
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	q.mu.min = max(q.mu.min, min(first, q.mu.max))
	q.mu.minFor = max(q.mu.minFor, logMin)
	q.mu.Unlock()
	return first, nil
}

func (q *Queue) unit(off int64) (Unit, error) {
	var units [1]Unit
	n, err := q.read(units[:], off)
	if err == nil && n == 0 {
		err = errGap
	}
	return units[0], err
}

// first finds the first offset in [lo, hi) whose unit satisfies found, which
// must hold for all behind it as well; hi if none.
func (q *Queue) first(lo, hi int64, found func(Unit) (bool, error)) (int64, error) {
	for lo < hi {
		mid := lo + (hi-lo)/2
		u, err := q.unit(mid)
		if err != nil {
			return 0, err
		}
		ok, err := found(u)
		if err != nil {
			return 0, err
		}
		if ok {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, nil
}

// First finds the first offset of the queue whose unit satisfies found, which
// must hold for all units behind it as well; Max if none does.
func (q *Queue) First(found func(Unit) (bool, error)) (int64, error) {
	lo, err := q.minPosition()
	if err != nil {
		return 0, err
	}
	at, err := q.first(lo, q.unitCount(), found)
	if err != nil {
		return 0, err
	}
	return q.offsetOf(at)
}

// RemoveBefore removes the queue files all of whose units point below logMin,
// but never the last file, and returns how many.
func (q *Queue) RemoveBefore(logMin int64) (removed int, err error) {
	q.files.Lock()
	defer q.files.Unlock()
	starts, err := q.fileStarts()
	if err != nil {
		return 0, err
	}
	for i := 0; i < len(starts)-1; i++ {
		var last [1]Unit
		if _, err := q.readFile(last[:], starts[i+1]-1); err != nil {
			return removed, err
		}
		if last[0].Phy >= logMin {
			break
		}
		q.mu.Lock()
		q.mu.min = max(q.mu.min, starts[i+1]) // before the file goes: readers look here first
		q.mu.Unlock()
		path := q.filePath(starts[i])
		if err := q.set.handles.forget(path); err != nil {
			return removed, err
		}
		if err := q.set.cfg.FS.Remove(path); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
