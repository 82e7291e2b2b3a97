package store

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/aerobee/aerobee/internal/store/compaction"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/vfs"
)

// FlushMode says when a Put is complete.
type FlushMode uint8

// The flush modes (flushDiskType).
const (
	FlushAsync FlushMode = iota // written; synced within FlushInterval
	FlushSync                   // synced, with one fdatasync for all that wait
)

// ScheduleTopic holds messages of the delay levels until they are due.
const ScheduleTopic = "SCHEDULE_TOPIC_XXXX"

// Config of a Store. Start from DefaultConfig.
type Config struct {
	Dir          string // storePathRootDir
	CommitLogDir string // storePathCommitLog; empty: Dir/commitlog
	FS           vfs.FS
	Now          func() time.Time
	Logger       *slog.Logger
	Progress     *Progress // of Open, for whoever wants to know; may be nil

	Flush         FlushMode
	FlushInterval time.Duration // of the log in async mode (flushIntervalCommitLog)
	QueueInterval time.Duration // between writes of consume queues (flushIntervalConsumeQueue)
	// CheckpointInterval is the time between checkpoints, which bounds the work
	// of a start after a crash.
	CheckpointInterval time.Duration

	// Retention gives the present rules for deleting old messages; nil: none are
	// deleted. CleanInterval is the time between looks (cleanResourceInterval).
	Retention     func() Retention
	CleanInterval time.Duration

	CommitLogFileSize int64 // mappedFileSizeCommitLog
	QueueFileSize     int64 // mappedFileSizeConsumeQueue
	// BatchQueueFileSize is that of batch queues (mapperFileSizeBatchConsumeQueue).
	BatchQueueFileSize int64
	ExtFileSize        int64 // mappedFileSizeConsumeQueueExt
	IndexSlots         int64 // maxHashSlotNum
	IndexEntries       int64 // maxIndexNum
	Index              bool  // messageIndexEnable
	AppendCRC          bool  // enabledAppendPropCRC
	MaxMessageSize     int   // of a body, in bytes (maxMessageSize)
	OpenFiles          int   // consume queue files kept open

	// StoreHost goes into each record: the address that clients reach the
	// broker at. Add uses it when the message has none.
	StoreHost netip.AddrPort
	// BatchTopics are the topics with queue.type=BatchCQ, asked for after Locked;
	// nil: there are none.
	BatchTopics func() []string
	// MultiDispatch dispatches messages to the light queues that they name
	// (enableLmq and enableMultiDispatch).
	MultiDispatch bool
	// CompactionTopics are the topics with cleanup.policy=COMPACTION at the moment,
	// asked for after Locked; nil: compaction is off (enableCompaction).
	CompactionTopics func() []string
	// CompactionFileSize and CompactionQueueFileSize are those of Java's settings
	// compactionMappedFileSize and compactionCqMappedFileSize.
	CompactionFileSize, CompactionQueueFileSize int64
	CompactionInterval                          time.Duration // compactionScheduleInternal

	// Locked, if set, is called when the directory is locked and before anything
	// of it is read.
	Locked func() error
	// DelayLevels are the delays of levels 1, 2, … (messageDelayLevel).
	DelayLevels []time.Duration
}

// DefaultConfig is Java's defaults for a store in dir.
func DefaultConfig(dir string) Config {
	return Config{
		Dir: dir, FS: vfs.OS, Now: time.Now, Logger: slog.Default(),
		Flush: FlushAsync, FlushInterval: 500 * time.Millisecond, QueueInterval: time.Second, CheckpointInterval: 5 * time.Second, CleanInterval: 10 * time.Second,
		CommitLogFileSize: 1 << 30, QueueFileSize: 300_000 * cqueue.UnitSize, BatchQueueFileSize: 300_000 * cqueue.BatchUnitSize, ExtFileSize: 48 << 20, IndexSlots: 5_000_000, IndexEntries: 20_000_000, Index: true,
		MaxMessageSize: 4 << 20, OpenFiles: 1024,
		StoreHost: netip.MustParseAddrPort("127.0.0.1:10911"),
		DelayLevels: []time.Duration{
			1 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
			1 * time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute, 6 * time.Minute,
			7 * time.Minute, 8 * time.Minute, 9 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
			time.Hour, 2 * time.Hour,
		},
	}
}

// Validate reports all that is wrong with a configuration.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, key string, value any, allowed string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s=%v: must be %s", key, value, allowed))
		}
	}
	check(c.Dir != "", "storePathRootDir", c.Dir, "a directory")
	check(c.CommitLogFileSize >= 4096 && c.CommitLogFileSize <= 1<<31-1, "mappedFileSizeCommitLog", c.CommitLogFileSize, "4096 to 2147483647 bytes")
	check(c.QueueFileSize >= 20 && c.QueueFileSize%20 == 0 && c.QueueFileSize <= 1<<31-1, "mappedFileSizeConsumeQueue", c.QueueFileSize, "a multiple of 20 up to 2147483640 bytes")
	check(c.BatchQueueFileSize >= cqueue.BatchUnitSize && c.BatchQueueFileSize%cqueue.BatchUnitSize == 0 && c.BatchQueueFileSize <= 1<<31-1, "mapperFileSizeBatchConsumeQueue", c.BatchQueueFileSize, "a multiple of 46 up to 2147483616 bytes")
	check(c.ExtFileSize >= 1, "mappedFileSizeConsumeQueueExt", c.ExtFileSize, "positive")
	check(c.IndexSlots >= 1 && c.IndexSlots <= 1<<30, "maxHashSlotNum", c.IndexSlots, "1 to 1073741824")
	check(c.IndexEntries >= 2 && c.IndexEntries <= 1<<30, "maxIndexNum", c.IndexEntries, "2 to 1073741824")
	check(c.MaxMessageSize >= 1 && c.MaxMessageSize <= 1<<29, "maxMessageSize", c.MaxMessageSize, "1 to 536870912 bytes")
	check(c.FlushInterval > 0, "flushIntervalCommitLog", c.FlushInterval, "positive")
	check(c.QueueInterval > 0, "flushIntervalConsumeQueue", c.QueueInterval, "positive")
	check(c.CheckpointInterval > 0, "checkpoint interval", c.CheckpointInterval, "positive")
	check(c.CleanInterval > 0, "cleanResourceInterval", c.CleanInterval, "positive")
	if c.CompactionTopics != nil {
		check(c.CompactionQueueFileSize >= 2*compaction.UnitSize, "compactionCqMappedFileSize", c.CompactionQueueFileSize, "at least 92 bytes")
		check(c.CompactionFileSize >= 4096 && c.CompactionFileSize <= 1<<31-1, "compactionMappedFileSize", c.CompactionFileSize, "4096 to 2147483647 bytes")
		check(c.CompactionInterval > 0, "compactionScheduleInternal", c.CompactionInterval, "positive")
	}
	check(c.OpenFiles >= 1, "open files", c.OpenFiles, "at least 1")
	check(c.StoreHost.IsValid(), "brokerIP1", c.StoreHost, "an address")
	return errors.Join(errs...)
}

func (c *Config) path(name string) string { return filepath.Join(c.Dir, name) }

func (c *Config) commitLogDir() string {
	if c.CommitLogDir != "" {
		return c.CommitLogDir
	}
	return c.path("commitlog")
}
