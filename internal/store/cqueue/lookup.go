package cqueue

import "errors"

// Min is the offset of the first unit whose record is still in the log and not
// hidden. When there is none it is Max: the queue keeps its numbering.
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
	logMin = max(logMin, q.mu.floor)
	lo, hi, known := max(q.mu.min, q.mu.shown), q.mu.max, q.mu.shownFor
	q.mu.Unlock()
	if lo == hi || logMin <= known {
		return lo, nil
	}
	first, err := q.first(lo, hi, func(u Unit) (bool, error) { return u.Phy >= logMin, nil })
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	q.mu.shown = max(q.mu.shown, min(first, q.mu.max))
	q.mu.shownFor = max(q.mu.shownFor, logMin)
	q.mu.Unlock()
	return first, nil
}

// Hide takes the units of records that start below phy from sight for good: Min
// is behind them. Their files go with those of the log.
func (q *Queue) Hide(phy int64) {
	q.mu.Lock()
	q.mu.floor = max(q.mu.floor, phy)
	q.mu.Unlock()
}

// Floor is what Hide was given last, 0 when nothing is hidden.
func (q *Queue) Floor() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.floor
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
		at := mid
		for err == nil && u.blank() && at+1 < hi { // a lost message is as the next one
			at++
			u, err = q.unit(at)
		}
		if errors.Is(err, errGap) && q.gone(mid) {
			lo = mid + 1
			continue
		}
		if err != nil {
			return 0, err
		}
		ok := u.blank()
		if !ok {
			if ok, err = found(u); err != nil {
				return 0, err
			}
		}
		if ok {
			hi = mid
		} else {
			lo = at + 1
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
