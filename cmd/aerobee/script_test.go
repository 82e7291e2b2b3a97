package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aerobee/aerobee/internal/fake"
)

// TestMain lets the tests run this binary's own main as the command aerobee.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"aerobee": main})
}

// TestScripts runs testdata/script: the command line as users meet it. $NS is the
// nameserver of an installation of its own with brokers broker-a and broker-b and
// a topic T of two queues; $A and $B are the brokers' addresses. The directory
// store is what writeStore makes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			c := fake.NewCluster(env.T().(testing.TB), "broker-a", "broker-b")
			c.CreateTopic("T", 2)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command of a race build ends a second late
			env.Setenv("NS", c.Namesrv.Addr)
			env.Setenv("NAMESRV_ADDR", c.Namesrv.Addr)
			env.Setenv("A", c.Broker("broker-a").Addr)
			env.Setenv("B", c.Broker("broker-b").Addr)
			return writeStore(filepath.Join(env.WorkDir, "store"))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "overwrite": overwrite},
	})
}

// exits CODE COMMAND ARGS... runs a command that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil && !errors.Is(err, os.ErrProcessDone) {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// overwrite FILE OFFSET TEXT damages a file.
func overwrite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: overwrite FILE OFFSET TEXT")
	}
	at, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte(args[2]), at)
	ts.Check(err)
	ts.Check(f.Close())
}
