//go:build !linux

package load

import "time"

// shortSleep is as precise as the runtime's timers.
func shortSleep(d time.Duration) { time.Sleep(d) }
