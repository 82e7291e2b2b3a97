package load

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestPauseIsNeverShort: signals, which the runtime sends to threads of its own,
// end a sleep in the kernel. A message that leaves before it is due would be
// delivered before it is due, and nobody would count it.
func TestPauseIsNeverShort(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := unix.Gettid()
	stop := make(chan struct{})
	var signals sync.WaitGroup
	signals.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Tgkill(os.Getpid(), thread, syscall.SIGURG)
				runtime.Gosched()
			}
		}
	})
	for range 20 {
		due := time.Now().Add(time.Millisecond)
		require.NoError(t, pauseUntil(t.Context(), due))
		require.False(t, time.Now().Before(due))
	}
	close(stop)
	signals.Wait()
}
