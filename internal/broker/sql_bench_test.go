//go:build unix

package broker

import (
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// BenchmarkSendBesideHeldSQL is what held pulls cost that want nothing of what
// arrives: processor time of the whole process, because it is not the sender's.
func BenchmarkSendBesideHeldSQL(b *testing.B) {
	for _, held := range []int{0, 1, 16} {
		b.Run(strconv.Itoa(held)+" held", func(b *testing.B) {
			r := runRig(b, withSQL)
			l := r.loadOf(b, loadBurst, protocol.ReqSendMessageV2, sendHeader("T", 0, clientProps()...), make([]byte, 128))
			l.play()
			h := sqlPull("g", "T", r.store.MaxOffset("T", 0), "a > 5 AND b = 'x'")
			h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, maxHold.Milliseconds()
			for range held {
				r.dial(b).write(protocol.ReqPullMessage, h, nil, 0)
			}
			eventually(b, "all are held", func() bool { return r.hold.Len() == held })
			before := processorTime(b)
			b.ResetTimer()
			for n := 0; n < b.N; n += loadBurst {
				l.play()
			}
			eventually(b, "all are held again", func() bool { return r.hold.Len() == held })
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
