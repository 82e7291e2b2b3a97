package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTerminatedStartsLoseNothing kills a server that is written to, and then sends
// SIGTERM to starts while they recover: each ends with exit code 0, and the start
// that is left alone finds everything.
func TestTerminatedStartsLoseNothing(t *testing.T) {
	_, r := killRounds(t)
	dir := t.TempDir()
	conf := filepath.Join(dir, "broker.conf")
	require.NoError(t, os.WriteFile(conf, []byte(
		"mappedFileSizeCommitLog=1048576\nmappedFileSizeConsumeQueue=6000\nmaxHashSlotNum=500\nmaxIndexNum=2000\n"), 0o644))
	data := filepath.Join(dir, "data")
	args := append([]string{"server", "--data", data, "--flush", "sync", "--config", conf}, anyPorts...)
	v := &victim{t: t, r: r, args: args}
	v.round()
	recovering := 0
	for i := range 30 {
		// Without queues the whole log is read and all queues are built: the longest recovery.
		require.NoError(t, os.RemoveAll(filepath.Join(data, "consumequeue")))
		if v.terminate(time.Duration(i*2) * time.Millisecond) {
			recovering++
		}
	}
	t.Logf("%d of 30 starts were ended while they recovered", recovering)
	cmd, ready := start(t, args...)
	v.check(ready["namesrv"])
	stop(t, cmd)
}

// terminate starts a server, sends it SIGTERM after a while, and tells whether it
// was not ready yet. A process that has not set up its signals yet dies of it.
func (v *victim) terminate(after time.Duration) bool {
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	cmd := aerobee(v.t, v.args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(v.t, cmd.Start())
	select {
	case <-ctx.Done():
	case <-time.After(after):
	}
	require.NoError(v.t, cmd.Process.Signal(syscall.SIGTERM))
	err := cmd.Wait()
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() {
		require.Empty(v.t, errs.String(), "died of the signal although it was running: %v", err)
		return false
	}
	require.NoError(v.t, err, "%s", errs.String())
	return !strings.HasPrefix(out.String(), "aerobee ready")
}
