package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const path = "/d/config/state"

// first is the version of files that the test makes.
const first = "#0\n"

// state is a map in a file of lines "key=value"; a change is one line, and one
// without a value a removal. The first line of the file is its version.
type state struct {
	*Journal
	slow func() // called by Write, halfway

	mu      sync.Mutex
	m       map[string]string
	version int
}

func openState(fs vfs.FS) (*state, error) {
	s := &state{m: map[string]string{}, slow: func() {}}
	var err error
	s.Journal, err = Open(Config{
		FS: fs, Path: path, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Load: s.load, Apply: s.apply, Write: s.write,
	})
	return s, err
}

func (s *state) load(data []byte) error {
	clear(s.m)
	_, err := fmt.Sscanf(string(data), "#%d\n", &s.version)
	if err != nil {
		return err
	}
	_, data, _ = bytes.Cut(data, []byte("\n"))
	for line := range strings.Lines(string(data)) {
		if err := s.apply([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) apply(record []byte) error {
	key, value, ok := strings.Cut(string(record), "=")
	switch {
	case !ok:
		return fmt.Errorf("%q has no =", record)
	case value == "":
		delete(s.m, key)
	default:
		s.m[key] = value
	}
	return nil
}

func (s *state) write(w io.Writer) error {
	s.mu.Lock()
	var lines []string
	for k, v := range s.m {
		lines = append(lines, k+"="+v+"\n")
	}
	s.version++
	version := fmt.Sprintf("#%d\n", s.version)
	s.mu.Unlock()
	sort.Strings(lines)
	s.slow()
	_, err := io.WriteString(w, version+strings.Join(lines, ""))
	return err
}

func (s *state) set(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := []byte(key + "=" + value)
	_ = s.apply(record)
	s.Append(record)
}

func content(t require.TestingT, fs vfs.FS) string {
	data, err := vfs.ReadFile(fs, path)
	require.NoError(t, err)
	_, data, _ = bytes.Cut(data, []byte("\n"))
	return string(data)
}

func reopen(t require.TestingT, fs vfs.FS) *state {
	s, err := openState(fs)
	require.NoError(t, err)
	return s
}

func TestChangesGoToTheJournal(t *testing.T) {
	mem := vfs.NewMem()
	s := reopen(t, mem)
	require.NoError(t, s.Flush())
	_, err := mem.Stat(path + suffix)
	require.Error(t, err, "no change, no journal")
	s.set("a", "1")
	s.set("b", "2")
	require.NoError(t, s.Flush())
	_, err = mem.Stat(path)
	require.Error(t, err, "the file is not written for a change")
	s = reopen(t, mem)
	require.Equal(t, map[string]string{"a": "1", "b": "2"}, s.m)
	s.set("a", "")
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Equal(t, "b=2\n", content(t, mem))
	entries, err := mem.ReadDir("/d/config")
	require.NoError(t, err)
	require.Len(t, entries, 1, "a clean stop leaves the file alone")
}

// TestFileOfSomebodyElse is what a Java broker does to a store that we left.
func TestFileOfSomebodyElse(t *testing.T) {
	mem := vfs.NewMem()
	s := reopen(t, mem)
	s.set("a", "1")
	require.NoError(t, s.Rewrite())
	s.set("a", "2")
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]string{"a": "2"}, reopen(t, mem).m)

	require.NoError(t, vfs.ReplaceFile(mem, path, []byte(first+"a=3\nb=1\n")))
	s = reopen(t, mem)
	require.Equal(t, map[string]string{"a": "3", "b": "1"}, s.m)
	s.set("c", "1")
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]string{"a": "3", "b": "1", "c": "1"}, reopen(t, mem).m)
}

func TestPaceOfRewrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		s := reopen(t, mem)
		g := run.NewGroup(t.Context())
		g.Go("journal", s.Run)
		s.set("small", "1")
		<-time.After(restLeast + time.Millisecond)
		synctest.Wait()
		require.Equal(t, "small=1\n", content(t, mem), "a small file follows within a second")

		s.set("big", strings.Repeat("x", 10*restBytes))
		require.NoError(t, s.Flush())
		<-time.After(2 * time.Second)
		s.set("small", "2")
		<-time.After(5 * time.Second)
		synctest.Wait()
		require.True(t, strings.Contains(content(t, mem), "small=1"), "a big one follows slowly")
		require.Equal(t, "2", reopen(t, mem).m["small"])
		<-time.After(10 * time.Second)
		synctest.Wait()
		require.True(t, strings.Contains(content(t, mem), "small=2"))

		for i := range 20 { // the journal becomes as big as the file
			s.set("big", strings.Repeat("y", restBytes)+fmt.Sprint(i))
		}
		<-time.After(time.Millisecond)
		synctest.Wait()
		require.True(t, strings.Contains(content(t, mem), "=yyyy"))
		s.set("last", "1")
		g.Cancel()
		require.NoError(t, g.Wait())
		require.NoError(t, s.Close())
		require.True(t, strings.Contains(content(t, mem), "last=1"))
	})
}

// TestChangesDuringARewrite has changes acknowledged while the file is written.
func TestChangesDuringARewrite(t *testing.T) {
	mem := vfs.NewMem()
	s := reopen(t, mem)
	s.set("a", "1")
	s.slow = func() {
		s.set("a", "2")
		s.set("b", "1")
		require.NoError(t, s.Flush())
	}
	require.NoError(t, s.Rewrite())
	require.Equal(t, "a=1\n", content(t, mem))
	s.set("c", "1")
	require.NoError(t, s.Flush())
	for seed := range uint64(50) {
		after := mem.Crash(rand.New(rand.NewPCG(seed, 1)))
		require.Equal(t, map[string]string{"a": "2", "b": "1", "c": "1"}, reopen(t, after).m)
	}
}

var errDisk = errors.New("no space left")

func TestAfterAnErrorTheFileIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var broken atomic.Bool
		s := reopen(t, vfs.WithFaults(mem, func(op vfs.Op, _ string, n int) (int, error) {
			if broken.Load() && op == vfs.OpSync {
				return 0, errDisk
			}
			return n, nil
		}))
		g := run.NewGroup(t.Context())
		g.Go("journal", s.Run)
		s.set("a", "1")
		require.NoError(t, s.Flush())
		broken.Store(true)
		s.set("a", "2")
		require.ErrorIs(t, s.Flush(), errDisk)
		broken.Store(false)
		require.ErrorIs(t, s.Flush(), errDisk, "the journal is not trusted after an error")
		<-time.After(2 * retryRest)
		synctest.Wait()
		require.NoError(t, s.Flush())
		require.Equal(t, "a=2\n", content(t, mem))
		s.set("a", "3")
		require.NoError(t, s.Flush())
		require.Equal(t, "3", reopen(t, mem.Crash(rand.New(rand.NewPCG(1, 1)))).m["a"])
		g.Cancel()
		require.NoError(t, g.Wait())
		require.NoError(t, s.Close())
	})
}

func TestTooMuchWaits(t *testing.T) {
	s := reopen(t, vfs.NewMem())
	s.set("a", strings.Repeat("x", maxPending))
	require.ErrorIs(t, s.Flush(), errBehind)
	s.set("b", "1")
	require.NoError(t, s.Rewrite())
	require.NoError(t, s.Flush())
	s.set("c", "1")
	require.NoError(t, s.Flush())
}

func TestDamagedRecordEndsTheJournal(t *testing.T) {
	mem := vfs.NewMem()
	s := reopen(t, mem)
	s.set("a", "1")
	s.set("b", "1")
	require.NoError(t, s.Flush())
	f, err := mem.Open(path + suffix)
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{'x'}, size-1)
	require.NoError(t, err)
	s = reopen(t, mem)
	require.Equal(t, map[string]string{"a": "1"}, s.m)
	s.set("c", "1")
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]string{"a": "1", "c": "1"}, reopen(t, mem).m)
}

func TestConcurrentChangesShareSyncs(t *testing.T) {
	var syncs atomic.Int64
	s := reopen(t, vfs.WithFaults(vfs.NewMem(), func(op vfs.Op, _ string, n int) (int, error) {
		if op == vfs.OpSync {
			syncs.Add(1)
		}
		return n, nil
	}))
	for i := range 100 {
		s.set(fmt.Sprint(i), "1")
	}
	g := run.NewGroup(t.Context())
	for range 100 {
		g.Go("flush", func(context.Context) error { return s.Flush() })
	}
	require.NoError(t, g.Wait())
	require.EqualValues(t, 1, syncs.Load())
}

// history is a state with what was acknowledged of it.
type history struct {
	*state
	mem      *vfs.Mem
	faults   *rand.Rand // nil: none
	acked    map[string]string
	possible map[string]map[string]bool // values since the last acknowledgement
}

func (h *history) open(t require.TestingT) {
	fs := vfs.WithFaults(h.mem, func(op vfs.Op, _ string, n int) (int, error) {
		if h.faults != nil && h.faults.IntN(6) == 0 && op != vfs.OpOpen && op != vfs.OpRead {
			return h.faults.IntN(n + 1), errDisk
		}
		return n, nil
	})
	h.state = reopen(t, fs)
	for key, values := range h.possible {
		require.True(t, values[h.m[key]], "%s is %q, none of %v", key, h.m[key], values)
	}
	for _, key := range keys {
		if h.possible[key] == nil {
			require.Equal(t, h.acked[key], h.m[key], key)
		}
	}
	h.acked, h.possible = map[string]string{}, map[string]map[string]bool{}
	for key, value := range h.m {
		h.acked[key] = value
	}
}

func (h *history) change(key, value string) {
	if h.possible[key] == nil {
		h.possible[key] = map[string]bool{h.acked[key]: true}
	}
	h.possible[key][value] = true
	h.set(key, value)
}

// settle notes that all changes so far are acknowledged.
func (h *history) settle() {
	for key := range h.possible {
		h.acked[key] = h.m[key]
	}
	clear(h.possible)
}

var keys = []string{"a", "b", "c"}

// TestAgainstModel makes random changes, rewrites, faults and power cuts: what was
// acknowledged is there afterwards, and nothing that never was.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{mem: vfs.NewMem()}
		h.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				h.change(rapid.SampledFrom(keys).Draw(t, "key"), rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value"))
			},
			"flush": func(*rapid.T) {
				if h.Flush() == nil {
					h.settle()
				}
			},
			"rewrite": func(t *rapid.T) {
				during := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "during")
				flushed := false
				h.slow = func() { h.change("b", during); flushed = h.Flush() == nil }
				_ = h.Rewrite()
				h.slow = func() {}
				if flushed {
					h.settle()
				}
			},
			"close": func(t *rapid.T) {
				if h.Close() == nil {
					h.settle()
					h.open(t)
				}
			},
			"crash": func(t *rapid.T) {
				h.faults = nil
				h.mem = h.mem.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "cut"), 1)))
				h.open(t)
			},
			"faults": func(t *rapid.T) {
				h.faults = nil
				if rapid.Bool().Draw(t, "on") {
					h.faults = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "faults"), 2))
				}
			},
		})
	})
}

func FuzzRecords(f *testing.F) {
	base := identify([]byte("file"))
	frames := appendFrame(appendFrame(nil, []byte("one")), []byte("two"))
	seal(frames, base)
	f.Add(append(base.header(), frames...))
	f.Fuzz(func(t *testing.T, data []byte) {
		base, ok := parseHeader(data)
		if !ok {
			return
		}
		list, size := records(data[headerSize:], base)
		var again []byte
		for _, record := range list {
			again = appendFrame(again, record)
		}
		seal(again, base)
		require.Equal(t, string(data[headerSize:headerSize+size]), string(again))
	})
}
