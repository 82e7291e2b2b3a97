package commitlog

import (
	"context"
	"errors"
	"fmt"
)

// Rewrite writes what is in [from, end) again, so that the next Sync writes it to
// the disk. After a sync that failed the kernel may hold pages that it takes for
// written and that are not: they can be read until the power is cut.
func (l *Log) Rewrite(ctx context.Context, from, end int64) error {
	buf := make([]byte, scanChunk)
	for at := from; at < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(end-at, int64(len(buf)), l.fileSize-at%l.fileSize)
		if err := l.rewrite(buf[:n], at); err != nil {
			return fmt.Errorf("commit log at %d: %w", at, err)
		}
		at += n
	}
	return nil
}

func (l *Log) rewrite(p []byte, at int64) error {
	if err := l.readRaw(p, at); err != nil {
		return err
	}
	f := l.fileAt(at)
	if f == nil {
		return ErrNotFound
	}
	_, err := f.WriteAt(p, at-f.start)
	return errors.Join(err, f.release())
}
