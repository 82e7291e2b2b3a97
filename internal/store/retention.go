package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Retention says when old messages go. Ratios are used shares of the file
// system, between 0 and 1.
type Retention struct {
	Age       time.Duration // a file not written for so long may go (fileReservedTime)
	Hours     []int         // of the day at which aged files go (deleteWhen)
	MaxUsed   float64       // above it aged files go at any hour (diskMaxUsedSpaceRatio)
	Clean     float64       // above it the oldest files go whatever their age (diskSpaceCleanForciblyRatio)
	Refuse    float64       // above it messages are refused (diskSpaceWarningLevelRatio)
	Forcibly  bool          // whether Clean and Refuse may delete files that are not aged (cleanFileForciblyEnable)
	BatchSize int           // most files deleted at a look (deleteFileBatchMax)
}

// resumeBelow is how far use must fall below Refuse before messages are taken
// again, so that a store at the limit does not flap.
const resumeBelow = 0.01

// retentionLoop looks at the disk every CleanInterval.
func (s *Store) retentionLoop(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.CleanInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.Clean(); err != nil {
				s.cfg.Logger.Error("retention", "error", err)
			}
		}
	}
}

// Clean deletes the files that may go by now, and refuses messages or takes
// them again as the disk's use demands. The newest log file always stays.
func (s *Store) Clean() error {
	policy := s.cfg.Retention()
	usage, err := s.cfg.FS.Usage(s.cfg.commitLogDir())
	if err != nil {
		return err
	}
	used := usage.Ratio()
	s.watchDisk(policy, used)
	forced := policy.Forcibly && used > policy.Clean
	if !forced && used <= policy.MaxUsed && !slices.Contains(policy.Hours, s.cfg.Now().Hour()) {
		return nil
	}
	return s.DeleteExpired(policy, forced)
}

// watchDisk refuses messages above the limit.
func (s *Store) watchDisk(policy Retention, used float64) {
	full := s.diskFull.Load()
	switch {
	case full == nil && used > policy.Refuse:
		why := refuse(PutServiceNotAvailable,
			"service not available now: the file system of %s is %.1f%% full, messages are refused above %.0f%% (diskSpaceWarningLevelRatio)",
			s.cfg.commitLogDir(), 100*used, 100*policy.Refuse)
		s.diskFull.Store(why)
		s.cfg.Logger.Error("messages are refused: the disk is full", "dir", s.cfg.commitLogDir(), "used", used, "limit", policy.Refuse)
	case full != nil && used <= policy.Refuse-resumeBelow:
		s.diskFull.Store(nil)
		s.cfg.Logger.Info("messages are taken again", "dir", s.cfg.commitLogDir(), "used", used)
	}
}

// DeleteExpired deletes the oldest log files as far as they are aged, or forced,
// at most BatchSize of them, and what pointed to them.
func (s *Store) DeleteExpired(policy Retention, forced bool) error {
	deleted := 0
	for ; deleted < max(1, policy.BatchSize); deleted++ {
		end, modTime, ok := s.log.Oldest()
		if !ok || !forced && s.cfg.Now().Sub(modTime) < policy.Age {
			break
		}
		if end > s.Flushed() {
			break
		}
		if _, err := s.log.RemoveBefore(end); err != nil {
			return fmt.Errorf("delete the oldest commit log file: %w", err)
		}
	}
	if deleted == 0 {
		return nil
	}
	s.cfg.Logger.Info("commit log files deleted", "files", deleted, "forced", forced, "begins", s.log.Min())
	err := s.queues.RemoveBefore(s.log.Min())
	if s.index != nil {
		err = errors.Join(err, s.index.RemoveBefore(s.log.Min()))
	}
	return err
}
