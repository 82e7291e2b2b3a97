package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aerobee/aerobee/client/admin"
	"github.com/aerobee/aerobee/internal/run"
)

// server is something that can be measured.
type server interface {
	name() string
	warmup(o options) time.Duration
	// start runs it on what is in store and waits until it answers.
	start(ctx context.Context, store string, sync bool) (*running, error)
}

// running is a server that answers.
type running struct {
	namesrv   string
	pid       int           // of the broker
	ready     time.Duration // from launching the broker until it was there for clients
	processes []*process
}

// kill ends the broker without a chance to tidy up, then the rest.
func (r *running) kill() error {
	broker := r.processes[len(r.processes)-1]
	r.processes = r.processes[:len(r.processes)-1]
	err := broker.cmd.Process.Kill()
	<-broker.ended
	return errors.Join(err, broker.group.Wait(), r.stop())
}

// stop ends the processes, the broker first.
func (r *running) stop() error {
	var errs []error
	for i := len(r.processes) - 1; i >= 0; i-- {
		errs = append(errs, r.processes[i].stop())
	}
	return errors.Join(errs...)
}

// process is a child with its output in a file.
type process struct {
	cmd   *exec.Cmd
	log   string
	group *run.Group // owns the goroutine that waits for the child
	ended chan struct{}
	err   error // how it ended; valid once ended is closed
}

// stopTimeout is how long a server may take to end before it is killed.
const stopTimeout = 60 * time.Second

// launch starts a child that dies with the benchmark.
func launch(ctx context.Context, log, name string, args ...string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, group: run.NewGroup(ctx), ended: make(chan struct{})}
	p.group.Go("child", func(context.Context) error {
		defer close(p.ended)
		p.err = cmd.Wait()
		return nil
	})
	return p, nil
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	kill := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	<-p.ended
	if err := p.group.Wait(); err != nil {
		return err
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.ExitCode() == 128+int(syscall.SIGTERM) {
		return nil // how a JVM ends on SIGTERM
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(p.cmd.Path), p.err)
	}
	return nil
}

// tail is the end of what a child said, for errors.
func (p *process) tail() string {
	b, _ := os.ReadFile(p.log)
	return string(b[max(0, len(b)-2000):])
}

// startTimeout is how long a server may take to answer: with a large store,
// minutes.
const startTimeout = 5 * time.Minute

// await calls ready until it says so.
func await(ctx context.Context, p *process, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond) // the start is measured
	defer tick.Stop()
	for !ready() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; it said:\n%s", filepath.Base(p.cmd.Path), ctx.Err(), p.tail())
		case <-p.ended:
			return fmt.Errorf("%s has ended: %w; it said:\n%s", filepath.Base(p.cmd.Path), p.err, p.tail())
		case <-tick.C:
		}
	}
	return nil
}

// aerobee is our binary.
type aerobee struct{ bin string }

func (aerobee) name() string                   { return "aerobee" }
func (aerobee) warmup(o options) time.Duration { return o.warmup }

func (a aerobee) start(ctx context.Context, store string, sync bool) (*running, error) {
	if err := os.MkdirAll(store, 0o755); err != nil {
		return nil, err
	}
	flush := "async"
	if sync {
		flush = "sync"
	}
	broker, err := freePorts()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	p, err := launch(ctx, filepath.Join(filepath.Dir(store), "aerobee.log"), a.bin, "server", "--data", store, "--flush", flush,
		"--namesrv-port", "0", "--broker-port", fmt.Sprint(broker), "--console-port", "0", "--proxy-port", "0")
	if err != nil {
		return nil, err
	}
	r := &running{pid: p.cmd.Process.Pid, processes: []*process{p}}
	err = await(ctx, p, func() bool {
		if r.namesrv == "" {
			r.namesrv = readyAddress(p.log, "namesrv")
		}
		return r.namesrv != "" && registered(ctx, r.namesrv)
	})
	r.ready = time.Since(begun)
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

// readyAddress finds an address in the ready line of aerobee.
func readyAddress(log, role string) string {
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), "aerobee ready ")
		if !ok {
			continue
		}
		for _, field := range strings.Fields(rest) {
			if addr, ok := strings.CutPrefix(field, role+"="); ok {
				return addr
			}
		}
	}
	return ""
}

// freePorts finds a port with a free one two below and one above, which brokers
// use as well. It looks below the range from which the system takes ports for
// outgoing connections, one of which could have it before the broker.
func freePorts() (int, error) {
	const from, to = 20_000, 32_000
	for range 100 {
		port := from + rand.IntN(to-from)
		if free(port-2) && free(port) && free(port+1) {
			return port, nil
		}
	}
	return 0, errors.New("no free port with free neighbours")
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// registered tells whether a nameserver knows a broker.
func registered(ctx context.Context, namesrv string) bool {
	c, err := admin.New(admin.WithNameservers(namesrv), admin.WithTimeout(time.Second))
	if err != nil {
		return false
	}
	defer c.Close()
	brokers, err := c.Brokers(ctx)
	return err == nil && len(brokers) > 0
}
