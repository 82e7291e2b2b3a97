package cqueue

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

// BenchmarkFlushManyQueues is a checkpoint of 10,000 queues with five new units
// each, as random sends to very many queues leave them.
func BenchmarkFlushManyQueues(b *testing.B) {
	const queues, units = 10_000, 5
	s := NewSet(Config{FS: vfs.OS, Dir: filepath.Join(b.TempDir(), "consumequeue"), FileSize: 6_000_000, LogMin: func() int64 { return 0 }, OpenFiles: 20000})
	defer s.Close()
	var phy int64
	round := func() {
		for i := range queues * units {
			q, err := s.Queue(fmt.Sprintf("topic-%d", i%10), int32(i/10%(queues/10)))
			require.NoError(b, err)
			require.NoError(b, q.Append(q.Next, Unit{Phy: phy, Size: 100}))
			q.Next++
			phy += 100
		}
	}
	flush := func() {
		require.NoError(b, s.Flush(context.Background(), phy))
		require.NoError(b, s.Sync())
	}
	round()
	flush()
	for b.Loop() {
		b.StopTimer()
		round()
		b.StartTimer()
		flush()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/queues, "us/queue")
}
