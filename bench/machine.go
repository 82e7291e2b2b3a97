package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// machine says on what and from what the numbers were made.
type machine struct {
	CPU       string  `json:"cpu"`
	Cores     int     `json:"cores"`
	MemoryGiB float64 `json:"memoryGiB"`
	Kernel    string  `json:"kernel"`
	FS        string  `json:"fileSystem"`
	Disk      string  `json:"disk"`
	SyncMs    float64 `json:"fdatasyncMillis"` // median, of 4 KiB appended
	Go        string  `json:"go"`
	Java      string  `json:"java"`
	Commit    string  `json:"commit"`
}

// inspect looks at the machine and at the disk that holds dir.
func inspect(ctx context.Context, dir string) (machine, error) {
	m := machine{
		CPU: procField("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Kernel: "unknown",
		Go: runtime.Version(), Java: firstLine(ctx, "java", "-version"),
		Commit: firstLine(ctx, "git", "describe", "--always", "--dirty"),
	}
	m.MemoryGiB = float64(memory("MemTotal")) / (1 << 30)
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	m.FS, m.Disk = disk(dir)
	sync, err := syncLatency(dir)
	m.SyncMs = millis(sync)
	return m, err
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GiB; Linux %s; %s on a %s, fdatasync of 4 KiB %.3f ms; %s; %s; commit %s",
		m.CPU, m.Cores, m.MemoryGiB, m.Kernel, m.FS, m.Disk, m.SyncMs, m.Go, m.Java, m.Commit)
}

// procField is the first value of a key in a file of "key : value" lines.
func procField(path, key string) string {
	b, _ := os.ReadFile(path) // not there on other systems
	for line := range strings.Lines(string(b)) {
		if name, v, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == key {
			return cmp.Or(strings.TrimSpace(v), "unknown")
		}
	}
	return "unknown"
}

// memory is a field of /proc/meminfo in bytes, 0 if unknown.
func memory(key string) int64 {
	kib, _ := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", key), " kB"), 10, 64)
	return kib << 10
}

// firstLine is what a command says about itself.
func firstLine(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	line, _, _ := bytes.Cut(out, []byte("\n"))
	if err != nil {
		return name + " unknown"
	}
	return strings.TrimSpace(string(line))
}

// disk finds file system and kind of the disk under dir.
func disk(dir string) (fs, kind string) {
	fs, kind = "unknown file system", "disk of unknown kind"
	dev, ok := deviceOf(dir)
	if !ok {
		return fs, kind
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fs, kind
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(before); len(fields) > 2 && fields[2] == dev {
			fs, _, _ = strings.Cut(after, " ")
			break
		}
	}
	block := filepath.Join("/sys/dev/block", dev)
	for _, queue := range []string{"queue/rotational", "../queue/rotational"} { // of a disk, of a partition
		if b, err := os.ReadFile(filepath.Join(block, queue)); err == nil {
			kind = map[string]string{"0": "solid-state or virtual disk", "1": "rotating or virtual disk"}[strings.TrimSpace(string(b))]
			break
		}
	}
	return fs, kind
}

// syncLatency is the median time that the disk takes to make 4 KiB durable at
// the end of a file.
func syncLatency(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	times := make([]time.Duration, 200)
	block := make([]byte, 4096)
	for i := range times {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		begun := time.Now()
		if err := dataSync(f); err != nil {
			return 0, fmt.Errorf("%s: fdatasync: %w", f.Name(), err)
		}
		times[i] = time.Since(begun)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// ballast fills the page cache with pages of a file without content. A server
// then gets its pages as one does on a machine that has run for a day: from what
// the cache can do without. Free pages would be another matter on a virtual machine,
// whose host hands them out on first use, slower than a disk writes.
type ballast struct {
	file *os.File
	at   int64 // pages before are, or were, in the cache
}

// ballastSize is more than is ever read; the file takes no room.
const ballastSize = 1 << 43

// spareMemory is how many bytes of memory are left free.
const spareMemory = 300 << 20

func openBallast(dir string) (*ballast, error) {
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(ballastSize); err != nil {
		return nil, errors.Join(fmt.Errorf("a file for the page cache: %w", err), f.Close())
	}
	return &ballast{file: f}, nil
}

// fill reads until hardly any memory is free.
func (b *ballast) fill(ctx context.Context, spare int64) error {
	buf := make([]byte, 4<<20)
	for most := b.at + memory("MemTotal"); b.at < most && memory("MemFree") > spare; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := b.file.ReadAt(buf, b.at)
		if err != nil {
			return fmt.Errorf("fill the page cache: %w", err)
		}
		b.at += int64(n)
	}
	return nil
}

func (b *ballast) close() error { return errors.Join(b.file.Close(), os.Remove(b.file.Name())) }

// dropCache takes everything under dir out of the page cache. No server may be
// running there.
func dropCache(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := dataSync(f); err != nil { // what is not on disk cannot be dropped
			return err
		}
		return forget(f)
	})
}
