package broker

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimers(t *testing.T) {
	t.Parallel() // it waits
	r := runRig(t)
	p := r.dial(t)
	began := time.Now().UnixMilli()
	p.send("T", 1, "seconds", "TIMER_DELAY_SEC", "2")
	p.send("T", 0, "millis", "TIMER_DELAY_MS", "1500")
	p.send("T", 0, "time", "TIMER_DELIVER_MS", strconv.FormatInt(began+3000, 10))
	p.send("T", 0, "past", "TIMER_DELIVER_MS", strconv.FormatInt(began-1000, 10))
	p.send("T", 0, "ons", "__STARTDELIVERTIME", strconv.FormatInt(began+2000, 10))
	require.Eventually(t, func() bool {
		return r.store.MaxOffset("T", 0) == 4 && r.store.MaxOffset("T", 1) == 1
	}, 10*time.Second, 500*time.Millisecond)
}
