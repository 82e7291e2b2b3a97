package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// shortSleep sleeps in the kernel, which is precise to about 50 us.
func shortSleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // an interrupted sleep is too short
}
