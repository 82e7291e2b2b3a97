package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is what the times of /proc/PID/stat count in. USER_HZ is 100 on
// every Linux that Go supports.
const clockTick = 10 * time.Millisecond

// processWatch follows CPU time and anonymous memory of one process through
// /proc. Where that does not exist it reports nothing.
type processWatch struct {
	pid        int
	started    bool
	begin, end time.Duration // CPU time
	rss, peak  int64         // bytes of RssAnon, last and largest
	err        error
}

func newProcessWatch(pid int) *processWatch { return &processWatch{pid: pid} }

// sample takes a reading if it belongs to the measured time.
func (p *processWatch) sample(counts bool) {
	if p.pid == 0 || p.err != nil || (!counts && !p.started) {
		return
	}
	cpu, err := processCPU(p.pid)
	if err != nil {
		p.err = err
		return
	}
	if !p.started {
		p.started, p.begin = true, cpu
	}
	if counts || p.end == 0 {
		p.end = cpu
	}
	if rss, err := processRSSAnon(p.pid); err == nil {
		p.rss, p.peak = rss, max(p.peak, rss)
	}
}

// cost is what was seen between the first and the last reading, nil if nothing.
func (p *processWatch) cost(messages int64) *ProcessCost {
	if !p.started {
		return nil
	}
	cpu := (p.end - p.begin).Seconds()
	return &ProcessCost{
		PID: p.pid, CPUSeconds: cpu, MicrosPerMessage: cpu * 1e6 / float64(max(messages, 1)),
		RSSAnonMiB: float64(p.rss) / (1 << 20), PeakRSSAnonMiB: float64(p.peak) / (1 << 20),
	}
}

// CPU is the user and system time of a process and its threads so far.
func CPU(pid int) (time.Duration, error) { return processCPU(pid) }

// processCPU is the user and system time of a process and its threads.
func processCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	// The name, in parentheses, may hold spaces; the fields after it do not.
	_, rest, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" "))
	fields := bytes.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("process %d: stat has times %q and %q", pid, fields[11], fields[12])
	}
	return time.Duration(user+system) * clockTick, nil
}

// processRSSAnon is the memory that a process really has to itself: no mapped
// files, no page cache.
func processRSSAnon(pid int) (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	for line := range bytes.Lines(b) {
		if value, found := bytes.CutPrefix(line, []byte("RssAnon:")); found {
			fields := bytes.Fields(value)
			if len(fields) == 0 {
				break
			}
			kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d: status has no RssAnon", pid)
}
