package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// offsetStore keeps how far a consumer is.
type offsetStore interface {
	// load finds the offset of a queue; addr is a broker that has it.
	load(ctx context.Context, addr string, q Queue) (offset int64, found bool, err error)
	store(ctx context.Context, q Queue, offset int64) error
	forget(q Queue)
	save() error
}

func (c *PushConsumer) newOffsetStore() (offsetStore, error) {
	if !c.cfg.broadcast {
		return groupOffsets{c}, nil
	}
	dir := c.cfg.offsetsDir
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("WithBroadcast: no directory for offsets: %w", err)
		}
		dir = filepath.Join(home, ".rocketmq_offsets")
	}
	return openLocalOffsets(filepath.Join(dir, c.clientID, c.cfg.group, "offsets.json"))
}

// keepOffsets stores offsets periodically.
func (c *PushConsumer) keepOffsets(ctx context.Context) error {
	for sleep(ctx, c.cfg.commit) {
		for _, s := range c.held() {
			c.storeOffset(ctx, s)
		}
		if err := c.offsets.save(); err != nil {
			c.cfg.logger.Error("offsets are not stored", "error", err)
		}
	}
	return nil
}

func (c *PushConsumer) storeOffset(ctx context.Context, s *share) {
	if err := c.offsets.store(ctx, s.queue, s.position()); err != nil && ctx.Err() == nil {
		c.cfg.logger.Warn("offset not stored", "queue", s.queue.String(), "error", err)
	}
}

// groupOffsets are those of a group that shares its messages: the brokers keep
// them.
type groupOffsets struct{ c *PushConsumer }

func (o groupOffsets) load(ctx context.Context, addr string, q Queue) (int64, bool, error) {
	return queryOffset(ctx, o.c.cluster, addr, o.c.cfg.group, q, protocol.Opt[bool]{})
}

func (o groupOffsets) store(ctx context.Context, q Queue, offset int64) error {
	addr, err := o.c.replica(ctx, q, cluster.MasterID)
	if err != nil {
		return err
	}
	return commitOffset(ctx, o.c.cluster, addr, o.c.cfg.group, q, offset)
}

func (groupOffsets) forget(Queue) {}
func (groupOffsets) save() error  { return nil }

// localOffsets are those of a broadcasting member: a file of its own, in the form
// of Java's clients [LocalFileOffsetStore].
type localOffsets struct {
	path string
	mu   struct {
		sync.Mutex
		offsets map[protocol.MessageQueue]int64
		changed bool
	}
}

func openLocalOffsets(path string) (*localOffsets, error) {
	o := &localOffsets{path: path}
	o.mu.offsets = make(map[protocol.MessageQueue]int64)
	var errs []error
	for _, name := range []string{path, path + ".bak"} {
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
			continue
		}
		var body protocol.ResetOffsetBody // has the one member of the file
		if err == nil {
			err = javajson.Unmarshal(b, &body)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("offsets in %s: %w", name, err))
			continue
		}
		if body.OffsetTable != nil {
			o.mu.offsets = body.OffsetTable
		}
		return o, nil
	}
	return o, cluster.Join(errs...)
}

func (o *localOffsets) load(_ context.Context, _ string, q Queue) (int64, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	offset, found := o.mu.offsets[messageQueue(q)]
	return offset, found, nil
}

func (o *localOffsets) store(_ context.Context, q Queue, offset int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old, found := o.mu.offsets[messageQueue(q)]; !found || old != offset {
		o.mu.offsets[messageQueue(q)] = offset
		o.mu.changed = true
	}
	return nil
}

func (*localOffsets) forget(Queue) {} // a queue may come back

// save writes the file, if there is something new: beside the old one, which
// becomes the backup.
func (o *localOffsets) save() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.mu.changed {
		return nil
	}
	b := javajson.Marshal(&protocol.ResetOffsetBody{OffsetTable: o.mu.offsets})
	if err := o.replace(b); err != nil {
		return fmt.Errorf("offsets in %s: %w", o.path, err)
	}
	o.mu.changed = false
	return nil
}

func (o *localOffsets) replace(b []byte) error {
	if err := os.MkdirAll(filepath.Dir(o.path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(o.path + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(o.path, o.path+".bak"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(o.path+".tmp", o.path)
}

// consumeFrom is a start position as heartbeats say it.
func (p Position) consumeFrom() protocol.ConsumeFromWhere {
	switch p.kind {
	case positionBegin:
		return protocol.ConsumeFromFirstOffset
	case positionTime:
		return protocol.ConsumeFromTimestamp
	}
	return protocol.ConsumeFromLastOffset
}

// millis is a time as the protocol has it, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
