package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Retention says when old messages go. Ratios are used shares of the file
// system, between 0 and 1; 1 is never reached.
type Retention struct {
	Age       time.Duration // a file not written for so long may go (fileReservedTime)
	Hours     []int         // of the day at which aged files go (deleteWhen)
	Always    bool          // aged files go at any hour (aerobeeDeleteContinuously)
	MaxUsed   float64       // above it aged files go at any hour (diskMaxUsedSpaceRatio)
	Clean     float64       // above it the oldest files go whatever their age (diskSpaceCleanForciblyRatio)
	Refuse    float64       // above it messages are refused (diskSpaceWarningLevelRatio)
	MinFree   int64         // free bytes below which messages are refused, 0 for no limit (aerobeeDiskMinFreeBytes)
	MaxBytes  int64         // of the store on disk; above it the oldest files go whatever their age, 0 for no limit (aerobeeStoreMaxBytes)
	Forcibly  bool          // whether Clean, Refuse and MinFree may delete files that are not aged (cleanFileForciblyEnable)
	BatchSize int           // most files deleted at a look (deleteFileBatchMax)
	Pause     time.Duration // between two of them (deleteCommitLogFilesInterval)
}

// manualLooks is how many looks delete aged files after an operator asked for it,
// as in Java.
const manualLooks = 20

// retentionLoop looks at the disk, and at topics with a retention of their own,
// every CleanInterval.
func (s *Store) retentionLoop(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.CleanInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := errors.Join(s.Clean(ctx), s.Expire(ctx)); err != nil && ctx.Err() == nil {
				s.cfg.Logger.Error("retention", "error", err)
			}
		}
	}
}

// CleanNow deletes aged files now, and at the next looks if they are many,
// whatever the hour.
func (s *Store) CleanNow(ctx context.Context) error {
	s.manual.Store(manualLooks)
	return s.Clean(ctx)
}

// Clean deletes the files that may go by now, and refuses messages or takes
// them again as the disk's use demands. The newest log file always stays.
func (s *Store) Clean(ctx context.Context) error {
	s.cleaning.Lock()
	defer s.cleaning.Unlock()
	policy := s.cfg.Retention()
	disks, err := s.disks()
	if err != nil {
		return err
	}
	s.watchDisks(policy, disks)
	excess, err := s.excess(ctx, policy)
	if err != nil {
		return err
	}
	r := removal{
		policy: policy, excess: excess,
		forced: policy.Forcibly && slices.ContainsFunc(disks, policy.forces),
		aged:   policy.Always || slices.Contains(policy.Hours, s.cfg.Now().Hour()) || slices.ContainsFunc(disks, policy.hurries),
	}
	if s.manual.Load() > 0 {
		s.manual.Add(-1)
		r.aged = true
	}
	s.reindex(ctx, disks)
	return s.remove(ctx, r)
}

// forces tells whether a disk is so full that files go before their time: with a
// limit of free bytes, before messages are refused.
func (p Retention) forces(d disk) bool {
	return d.usage.Ratio() > p.Clean || d.usage.Free < 2*p.MinFree
}

// hurries tells whether a disk is so full that aged files go at any hour.
func (p Retention) hurries(d disk) bool {
	return d.usage.Ratio() > p.MaxUsed || p.forces(d)
}

// removal says which log files may go.
type removal struct {
	policy Retention
	forced bool  // whatever their age
	aged   bool  // when they are aged
	excess int64 // so many bytes, whatever their age
}

func (r *removal) allows(age time.Duration) bool {
	return r.forced || r.excess > 0 || r.aged && age >= r.policy.Age
}

// remove deletes the oldest log files as far as r allows it, at most BatchSize of
// them, and what pointed to them. A file stays until the units of its records are
// durable: a start after a crash could not find out otherwise where the numbering of
// the queues goes on.
func (s *Store) remove(ctx context.Context, r removal) error {
	deleted := 0
	for ; deleted < max(1, r.policy.BatchSize); deleted++ {
		end, info, ok := s.log.Oldest()
		if !ok || !r.allows(s.cfg.Now().Sub(info.ModTime)) || end > s.Flushed() {
			break
		}
		if end > s.inQueues.Load() {
			if err := s.Checkpoint(); err != nil {
				return err
			}
		}
		if end > s.inQueues.Load() || deleted > 0 && !sleep(ctx, r.policy.Pause) {
			break
		}
		if _, err := s.log.RemoveBefore(end); err != nil {
			return fmt.Errorf("delete the oldest commit log file: %w", err)
		}
		r.excess -= info.Disk
	}
	if deleted > 0 {
		s.cfg.Logger.Info("commit log files deleted", "files", deleted, "forced", r.forced, "begins", s.log.Min())
		s.quota.measured = time.Time{}
	}
	if s.log.Min() <= s.cleaned {
		return nil
	}
	err := s.queues.RemoveBefore(ctx, s.log.Min())
	if s.index != nil {
		err = errors.Join(err, s.index.RemoveBefore(s.log.Min()))
	}
	if err == nil {
		s.cleaned = s.log.Min()
	}
	return err
}

// sleep waits; it is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// quota is what is known of the store's size on disk.
type quota struct {
	queues   int64     // of the queue files
	measured time.Time // when
	took     time.Duration
}

// quotaRest is how many times as long as measuring the queues took they are not
// measured again: there may be a hundred thousand.
const quotaRest = 50

// excess is by how many bytes the store is larger than it may be.
func (s *Store) excess(ctx context.Context, policy Retention) (int64, error) {
	if policy.MaxBytes <= 0 {
		return 0, nil
	}
	q := &s.quota
	if q.measured.IsZero() || time.Since(q.measured) > quotaRest*q.took {
		began := time.Now()
		n, err := s.queues.Disk(ctx)
		if err != nil {
			return 0, err
		}
		q.queues, q.measured, q.took = n, time.Now(), time.Since(began)
	}
	total := q.queues
	for _, dir := range []string{s.cfg.commitLogDir(), s.cfg.path("index")} {
		infos, err := s.cfg.FS.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		for _, info := range infos {
			total += info.Disk
		}
	}
	return total - policy.MaxBytes, nil
}
