package goclient

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// namesrv is the nameserver all tests use, "" if there is none.
var namesrv string

func TestMain(m *testing.M) {
	rlog.SetLogLevel("error")
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if namesrv = os.Getenv("NAMESRV_ADDR"); namesrv != "" {
		return m.Run()
	}
	bin := os.Getenv("AEROBEE_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin", "aerobee")
	}
	if _, err := os.Stat(bin); err != nil {
		fmt.Fprintf(os.Stderr, "no server: NAMESRV_ADDR is not set and %v\n", err)
		return m.Run()
	}
	stop, err := startServer(bin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	return m.Run()
}

// startServer runs the binary with an empty store and sets namesrv from its ready line. The kernel kills the server if
// this process dies.
func startServer(bin string) (stop func(), err error) {
	dir, err := os.MkdirTemp("", "goclient-")
	if err != nil {
		return nil, err
	}
	port, err := freeBrokerPort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "server", "--data", dir, "--namesrv-port", "0", "--broker-port", fmt.Sprint(port),
		"--console-port", "0", "--proxy-port", "0", "--flush", "async")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if fields, ok := strings.CutPrefix(lines.Text(), "aerobee ready "); ok {
			for _, f := range strings.Fields(fields) {
				if addr, ok := strings.CutPrefix(f, "namesrv="); ok {
					namesrv = addr
					return stop, nil
				}
			}
		}
	}
	stop()
	return nil, fmt.Errorf("%s ended without a ready line", bin)
}

// freeBrokerPort finds a port whose neighbours port-2 and port+1 are free as well, as a broker needs them.
func freeBrokerPort() (int, error) {
	for range 100 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		free := port > 2 && canListen(port-2) && canListen(port+1)
		l.Close()
		if free {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free ports")
}

func canListen(port int) bool {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// server skips the test if there is none and returns a context that ends with the test.
func server(t *testing.T) context.Context {
	t.Helper()
	if namesrv == "" {
		t.Skip("no server: set NAMESRV_ADDR or AEROBEE_BIN")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
