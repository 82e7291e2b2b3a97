package store

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/vfs"
)

// queues is all consume queues: the ordinary ones, which it has the methods of,
// and the batch queues of topics with queue.type=BatchCQ. A topic has queues of
// one kind.
type queues struct {
	*cqueue.Set
	batch *cqueue.Set
	// batchTopics were configured, or had files, when the store was opened.
	batchTopics map[string]bool
	fs          vfs.FS
	extDir      string
}

func (s *Store) newQueues() (queues, error) {
	c := cqueue.Config{
		FS: s.cfg.FS, Dir: s.cfg.path("consumequeue"), FileSize: s.cfg.QueueFileSize,
		LogMin: s.log.Min, Floor: s.floorOf, OpenFiles: s.cfg.OpenFiles, Missing: s.missingUnits,
		ExtDir: s.cfg.path("consumequeue_ext"), ExtFileSize: s.cfg.ExtFileSize,
	}
	b := c
	b.Dir, b.FileSize, b.Batch = s.cfg.path("batchconsumequeue"), s.cfg.BatchQueueFileSize, true
	q := queues{Set: cqueue.NewSet(c), batch: cqueue.NewSet(b), batchTopics: make(map[string]bool), fs: s.cfg.FS, extDir: c.ExtDir}
	if s.cfg.BatchTopics != nil {
		for _, topic := range s.cfg.BatchTopics() {
			q.batchTopics[topic] = true
		}
	}
	dirs, err := s.cfg.FS.ReadDir(b.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return q, err
	}
	for _, dir := range dirs {
		q.batchTopics[dir.Name] = true
	}
	return q, nil
}

// of is the set in which the queues of a record's topic are, as the configuration
// or the files say.
func (q queues) of(topic string) *cqueue.Set {
	if q.batchTopics[topic] {
		return q.batch
	}
	return q.Set
}

// queuesLost tells whether all queues of a kind that there should be are gone.
// With batch topics both directories are there from the first start on.
func (s *Store) queuesLost() (bool, error) {
	simple, err := s.cfg.FS.ReadDir(s.cfg.path("consumequeue"))
	lost := err != nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if len(s.queues.batchTopics) == 0 {
		return len(simple) == 0, nil
	}
	batch, err := s.cfg.FS.ReadDir(s.cfg.path("batchconsumequeue"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	return lost || err != nil || len(simple)+len(batch) == 0, nil
}

// noQueues is a file in the directory of the queues that says that the last topic
// was deleted: an empty directory means that somebody wants them built again. It
// is no name of a topic, and a Java broker passes over it.
const noQueues = "no.topics"

// noteNoQueues makes that file when it is needed.
func (s *Store) noteNoQueues() error {
	if lost, err := s.queuesLost(); err != nil || !lost {
		return err
	}
	dir := s.cfg.path("consumequeue")
	if err := s.cfg.FS.MkdirAll(dir); err != nil {
		return err
	}
	f, err := s.cfg.FS.Create(filepath.Join(dir, noQueues))
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), s.cfg.FS.SyncDir(dir), s.cfg.FS.SyncDir(s.cfg.Dir))
}

// forgetLostQueues takes back what the checkpoint claims of queues that are gone, or
// a start after a crash in between would take those rebuilt so far for all.
func (s *Store) forgetLostQueues() error {
	if s.log.Files() == 0 {
		return nil
	}
	lost, err := s.queuesLost()
	if err != nil {
		return err
	}
	if lost {
		return s.retract()
	}
	return s.forgetNoQueues()
}

// forgetNoQueues removes the file that says that there are none when there are.
func (s *Store) forgetNoQueues() error {
	infos, err := s.cfg.FS.ReadDir(s.cfg.path("consumequeue"))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(infos) < 2 {
		return nil
	}
	if err == nil {
		err = s.cfg.FS.Remove(filepath.Join(s.cfg.path("consumequeue"), noQueues))
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Store) makeQueueDirs() error {
	if len(s.queues.batchTopics) == 0 {
		return nil
	}
	return errors.Join(s.cfg.FS.MkdirAll(s.cfg.path("consumequeue")), s.cfg.FS.MkdirAll(s.cfg.path("batchconsumequeue")))
}

func (q queues) Lookup(topic string, id int32) (*cqueue.Queue, error) {
	found, err := q.Set.Lookup(topic, id)
	if err != nil || found != nil {
		return found, err
	}
	return q.batch.Lookup(topic, id)
}

func (q queues) Reaches(phy int64) (bool, error) {
	reaches, err := q.Set.Reaches(phy)
	if err != nil || reaches {
		return reaches, err
	}
	return q.batch.Reaches(phy)
}

func (q queues) IDs(topic string) ([]int32, error) {
	ids, err := q.Set.IDs(topic)
	if err != nil || len(ids) > 0 {
		return ids, err
	}
	return q.batch.IDs(topic)
}

func (q queues) Topics() ([]string, error) {
	topics, err := q.Set.Topics()
	batch, berr := q.batch.Topics()
	topics = append(topics, batch...)
	slices.Sort(topics)
	return slices.Compact(topics), errors.Join(err, berr)
}

func (q queues) Delete(topic string) error {
	return errors.Join(q.Set.Delete(topic), q.batch.Delete(topic), q.fs.RemoveAll(filepath.Join(q.extDir, topic)))
}

func (q queues) RemoveBefore(ctx context.Context, logMin int64) error {
	return errors.Join(q.Set.RemoveBefore(ctx, logMin), q.batch.RemoveBefore(ctx, logMin), q.removeExt())
}

// removeExt removes extended queue files that are not needed any more.
func (q queues) removeExt() error {
	topics, err := q.fs.ReadDir(q.extDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, topic := range topics {
		ids, err := q.Set.IDs(topic.Name)
		errs = append(errs, err)
		for _, id := range ids {
			found, err := q.Set.Lookup(topic.Name, id)
			if err == nil && found != nil {
				err = found.RemoveExt()
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// matchTags asks the filter about the tags of a unit. One whose tags are not known
// is matched: the record decides.
func matchTags(f Filter, q *cqueue.Queue, u cqueue.Unit) bool {
	if u.IsExt() {
		code, ok := q.ExtTagsCode(u)
		return !ok || f.MatchTags(code)
	}
	return f.MatchTags(u.TagsCode)
}

// resolveTags puts the tags code in the place of the address of one. In the
// schedule topic, where it is the time of delivery, what is lost is made up.
func (s *Store) resolveTags(q *cqueue.Queue, units []cqueue.Unit) {
	for i := range units {
		u := &units[i]
		if !u.IsExt() {
			continue
		}
		code, ok := q.ExtTagsCode(*u)
		if key := q.Key(); !ok && key.Topic == ScheduleTopic {
			stored, _ := s.log.StoreTime(u.Phy)
			code = stored + s.delayOf(strconv.Itoa(int(key.ID)+1))
		}
		u.TagsCode = code
	}
}

func (q queues) Disk(ctx context.Context) (int64, error) {
	simple, err := q.Set.Disk(ctx)
	batch, berr := q.batch.Disk(ctx)
	return simple + batch, errors.Join(err, berr)
}

func (q queues) Trust(phy int64) {
	q.Set.Trust(phy)
	q.batch.Trust(phy)
}

func (q queues) Unwritten() int64 { return q.Set.Unwritten() + q.batch.Unwritten() }

func (q queues) Flush(ctx context.Context, logDurable int64) error {
	return errors.Join(q.Set.Flush(ctx, logDurable), q.batch.Flush(ctx, logDurable))
}

func (q queues) FlushFull(ctx context.Context, logDurable int64) error {
	return errors.Join(q.Set.FlushFull(ctx, logDurable), q.batch.FlushFull(ctx, logDurable))
}

func (q queues) Sync() error { return errors.Join(q.Set.Sync(), q.batch.Sync()) }

func (q queues) Close() error { return errors.Join(q.Set.Close(), q.batch.Close()) }

// queueFor is the queue that a put goes to.
func (s *Store) queueFor(p *Put) (*cqueue.Queue, error) {
	if p.Batch {
		return s.queues.batch.Queue(p.Topic, p.QueueID)
	}
	return s.queues.Queue(p.Topic, p.QueueID)
}

// innerCount is how many messages the record of a batch topic holds.
func innerCount(props string) int32 {
	num, ok := message.Property(props, message.PropInnerNum)
	if _, based := message.Property(props, message.PropInnerBase); !ok || !based {
		return 1
	}
	return int32(min(max(decimal(num), 1), math.MaxInt32))
}
