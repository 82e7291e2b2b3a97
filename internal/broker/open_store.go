package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/aerobee/aerobee/internal/broker/meta"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/store/inspect"
)

// openStore opens the store directory. It may take as long as recovery does.
func (b *Broker) openStore(ctx context.Context) error {
	cfg := b.config()
	sc, err := b.storeConfig(ctx, cfg)
	if err != nil {
		return err
	}
	if b.cfg.Repair {
		if err := b.repair(ctx, sc); err != nil {
			return err
		}
	}
	if b.store, err = store.Open(ctx, sc); err != nil {
		return err
	}
	b.life.opened.Store(true)
	if r := b.store.Recovery(); !r.Clean {
		b.log.Warn("the store was not closed cleanly", "from", r.From, "end", r.End, "records", r.Records, "took", r.Took)
	}
	return nil
}

// repair mends the store and says what it did.
func (b *Broker) repair(ctx context.Context, sc store.Config) error {
	done, err := inspect.Repair(ctx, sc)
	if done == nil {
		return err
	}
	for _, line := range done.Done {
		b.log.Warn("store repaired", "what", line)
	}
	for _, line := range done.Left {
		b.log.Error("store: not repaired", "what", line)
	}
	b.log.Warn("store repaired: what was changed is kept", "copies", done.Dir)
	return err
}

// UnreadableError is a file of the broker's state that cannot be read, nor can
// its previous generation. The error names it.
type UnreadableError struct{ error }

func (e *UnreadableError) Unwrap() error { return e.error }

// unreadable marks an error of Start that is about the content of a file.
func unreadable(err error) error {
	var bad *javajson.Error
	if !errors.As(err, &bad) {
		return err
	}
	return &UnreadableError{fmt.Errorf("%w; a start with --repair moves the file aside", err)}
}

// storeConfig translates the configuration for the store.
func (b *Broker) storeConfig(ctx context.Context, cfg *config.Broker) (store.Config, error) {
	dirs := cfg.CommitLogDirs()
	if len(dirs) != 1 || len(cfg.ReadOnlyCommitLogDirs()) > 0 {
		return store.Config{}, errors.New("storePathCommitLog: one directory is supported, more are not")
	}
	sc := store.DefaultConfig(cfg.StorePathRootDir)
	sc.CommitLogDir = dirs[0]
	sc.FS, sc.Now, sc.Logger, sc.Progress = b.cfg.FS, b.now, b.log, &b.life.progress
	if cfg.FlushDiskType == config.SyncFlush {
		sc.Flush = store.FlushSync
	}
	sc.FlushInterval, sc.QueueInterval = cfg.FlushCommitLogInterval, cfg.FlushConsumeQueueInterval
	sc.CommitLogFileSize, sc.QueueFileSize = cfg.CommitLogFileSize, cfg.ConsumeQueueBytes()
	sc.BatchQueueFileSize, sc.MultiDispatch = cfg.BatchQueueFileSize, cfg.EnableLMQ && cfg.EnableMultiDispatch
	sc.ExtFileSize = cfg.ConsumeQueueExtSize
	sc.Locked, sc.BatchTopics = b.openTopics, b.batchTopics
	if cfg.EnableCompaction {
		sc.CompactionTopics = b.compactionTopics()
		sc.CompactionFileSize, sc.CompactionQueueFileSize, sc.CompactionInterval = cfg.CompactionFileSize, cfg.CompactionCqFileSize, cfg.CompactionInterval
	}
	sc.IndexSlots, sc.IndexEntries, sc.Index = int64(cfg.MaxHashSlotNum), int64(cfg.MaxIndexNum), cfg.MessageIndexEnable
	sc.AppendCRC = cfg.AppendPropCRC
	sc.MaxMessageSize = cfg.MaxMessageSize
	sc.StoreHost = b.storeHost(ctx)
	sc.DelayLevels = cfg.DelayLevels()
	sc.Retention = func() store.Retention { return retention(b.config()) }
	sc.CleanInterval = cfg.CleanResourceInterval
	return sc, nil
}

// retention translates the rules for deleting old messages.
func retention(cfg *config.Broker) store.Retention {
	return store.Retention{
		Age: cfg.FileReservedTime, Hours: cfg.DeleteHours(), Always: cfg.DeleteContinuously,
		MaxUsed: float64(cfg.DiskMaxUsedSpaceRatio) / 100,
		Clean:   float64(cfg.DiskSpaceCleanForcibly) / 100,
		Refuse:  float64(cfg.DiskSpaceWarningRatio) / 100,
		MinFree: cfg.DiskMinFreeBytes, MaxBytes: cfg.StoreMaxBytes,
		Forcibly: cfg.CleanFileForcibly, BatchSize: cfg.DeleteFileBatchMax, Pause: cfg.DeleteCommitLogInterval,
	}
}

// openTopics loads the topics: the store must know which have batch queues.
func (b *Broker) openTopics() error {
	b.register, b.notify = newRegistrar(b), newNotifier(b)
	var err error
	b.topics, err = meta.OpenTopics(b.metaConfig())
	return err
}

func (b *Broker) metaConfig() meta.Config {
	return meta.Config{
		FS: b.cfg.FS, Dir: b.config().StorePathRootDir, Config: b.config, Log: b.log, Now: b.now,
		OnChange: b.topicsChanged,
	}
}

// compactionTopics makes a function that lists the topics with
// cleanup.policy=COMPACTION. It looks again only after a change; one goroutine at a
// time may call it.
func (b *Broker) compactionTopics() func() []string {
	var names []string
	var version protocol.DataVersion
	return func() []string {
		if names != nil && b.topics.Version() == version {
			return names
		}
		var topics []*protocol.TopicConfig
		version, topics = b.topics.Snapshot()
		names = make([]string, 0, 1)
		for _, t := range topics {
			if t.Attributes[protocol.TopicAttrCleanupPolicy] == protocol.CleanupCompaction {
				names = append(names, t.TopicName)
			}
		}
		return names
	}
}

// batchTopics lists the topics with queue.type=BatchCQ.
func (b *Broker) batchTopics() []string {
	_, topics := b.topics.Snapshot()
	var names []string
	for _, t := range topics {
		if hasBatchQueues(t) {
			names = append(names, t.TopicName)
		}
	}
	return names
}
