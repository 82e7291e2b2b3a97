package inspect

import (
	"context"
	"path/filepath"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
)

// QueueInfo is a consume queue as its files say. Times are store times in ms, 0
// when unknown.
type QueueInfo struct {
	Topic      string `json:"topic"`
	ID         int32  `json:"queueId"`
	Batch      bool   `json:"batch,omitempty"`
	Min        int64  `json:"minOffset"` // of the oldest message that is still in the log
	Max        int64  `json:"maxOffset"`
	Files      int    `json:"files"`
	Bytes      int64  `json:"bytes"`
	FirstStore int64  `json:"firstStoreTime"`
	LastStore  int64  `json:"lastStoreTime"`
}

// LogFileInfo is a file of the commit log.
type LogFileInfo struct {
	File       string `json:"file"`
	Start      int64  `json:"start"` // offset of its first byte
	Bytes      int64  `json:"bytes"` // up to the last record
	Records    int64  `json:"records"`
	FirstStore int64  `json:"firstStoreTime"`
	LastStore  int64  `json:"lastStoreTime"`
}

// IndexFileInfo is an index file as its header says.
type IndexFileInfo struct {
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	Entries int64  `json:"entries"`
	Begin   int64  `json:"beginTime"`
	End     int64  `json:"endTime"`
	First   int64  `json:"beginOffset"` // physical
	Last    int64  `json:"endOffset"`
}

// Queues visits the consume queues, topics in order.
func (d *Dir) Queues(ctx context.Context, visit func(QueueInfo) error) error {
	files, err := d.openQueues()
	if err != nil {
		return err
	}
	for _, folder := range []string{"consumequeue", "batchconsumequeue"} {
		err := d.eachQueueDir(folder, func(k cqueue.Key) error {
			q, err := files.open(k, func(Problem) {})
			if err != nil || q.batch != (folder == "batchconsumequeue") {
				return err
			}
			info, err := files.info(q)
			if err == nil {
				err = visit(info)
			}
			if err == nil {
				err = ctx.Err()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) openQueues() (*queueFiles, error) {
	size, err := d.queueFileSize()
	return &queueFiles{d: d, fileSize: size}, err
}

func (f *queueFiles) info(q *queue) (QueueInfo, error) {
	info := QueueInfo{Topic: q.key.Topic, ID: q.key.ID, Batch: q.batch, Files: len(q.files), Bytes: int64(len(q.files)) * f.fileSize}
	if len(q.files) == 0 {
		return info, nil
	}
	if q.batch {
		return info, f.batchInfo(q, &info)
	}
	last, off, err := f.lastUnit(q)
	if off < 0 || err != nil {
		info.Min, info.Max = q.files[0], q.files[0]
		return info, err
	}
	info.Max = off + 1
	lo, hi := q.files[0], info.Max
	var first cqueue.Unit
	for lo < hi {
		mid := lo + (hi-lo)/2
		u, ok, err := f.unit(q, mid, false)
		if err != nil {
			return info, err
		}
		if ok && u.Phy >= f.d.logMin() {
			hi, first = mid, u
		} else {
			lo = mid + 1
		}
	}
	if info.Min = lo; lo < info.Max {
		info.FirstStore, info.LastStore = f.d.storeTime(first.Phy), f.d.storeTime(last.Phy)
	}
	return info, nil
}

// batchInfo reads the units of a batch queue, which are few.
func (f *queueFiles) batchInfo(q *queue, info *QueueInfo) error {
	info.Bytes, info.Min = 0, -1
	for _, start := range q.files {
		path := filepath.Join(f.d.queueDir(q.key, true), commitlog.FileName(start))
		buf := make([]byte, 1024*batchUnitSize)
		for at := int64(0); ; at += int64(len(buf)) {
			n, err := f.d.readAt(path, buf, at)
			if err != nil {
				return err
			}
			info.Bytes += int64(n)
			for b := buf[:n]; len(b) >= batchUnitSize; b = b[batchUnitSize:] {
				u := decodeBatchUnit(b)
				if !u.data() {
					continue
				}
				if info.Max = u.base + int64(u.count); info.Min < 0 && u.Phy >= f.d.logMin() {
					info.Min, info.FirstStore = u.base, u.storeTime
				}
				info.LastStore = u.storeTime
			}
			if n < len(buf) {
				break
			}
		}
	}
	if info.Min < 0 {
		info.Min = info.Max
	}
	return nil
}

func (d *Dir) storeTime(phy int64) int64 {
	r := d.run(phy)
	if r == nil {
		return 0
	}
	t, err := r.StoreTime(phy)
	if err != nil {
		return 0
	}
	return t
}

// LogFiles reads the log and visits its files.
func (d *Dir) LogFiles(ctx context.Context, visit func(LogFileInfo) error) error {
	size := d.cfg.CommitLogFileSize
	for _, run := range d.runs {
		var info LogFileInfo
		flush := func() error {
			if info.File == "" {
				return nil
			}
			return visit(info)
		}
		err := d.eachRecord(ctx, run, run.Min(), func(off int64, n int32, m *message.Message) error {
			if start := off - off%size; info.File == "" || start != info.Start {
				if err := flush(); err != nil {
					return err
				}
				info = LogFileInfo{File: run.Path(off), Start: start, FirstStore: m.StoreTimestamp}
			}
			info.Records++
			info.Bytes, info.LastStore = off+int64(n)-info.Start, m.StoreTimestamp
			return nil
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachRecord visits the good records of a run from an offset on, in order,
// passing over damage.
func (d *Dir) eachRecord(ctx context.Context, run *commitlog.Log, from int64, visit func(off int64, size int32, m *message.Message) error) error {
	newest, before := int64(0), int64(0)
	for at := from; at < run.Limit(); {
		end, err := run.Scan(at, d.record, func(off int64, size int32, m *message.Message) error {
			before, newest = newest, m.StoreTimestamp
			if err := visit(off, size, m); err != nil {
				return err
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		next, ok, err := run.Next(end+1, run.Limit(), min(before, newest), d.record)
		if !ok || err != nil {
			return err
		}
		at = next.Offset
	}
	return nil
}

// IndexFiles lists the index files, oldest first.
func (d *Dir) IndexFiles() ([]IndexFileInfo, error) {
	infos, err := d.indexFiles()
	if err != nil {
		return nil, err
	}
	list := make([]IndexFileInfo, 0, len(infos))
	for _, info := range infos {
		var b [index.HeaderSize]byte
		path := filepath.Join(d.cfg.Dir, "index", info.Name)
		if n, err := d.readAt(path, b[:], 0); err != nil || n < len(b) {
			return list, err
		}
		h := index.DecodeHeader(b[:])
		list = append(list, IndexFileInfo{
			File: path, Bytes: info.Size, Entries: int64(max(h.Count, 1)) - 1,
			Begin: h.BeginTime, End: h.EndTime, First: h.BeginPhy, Last: h.EndPhy,
		})
	}
	return list, nil
}
