// Command aerobee is a RocketMQ server, its tools, and its load generator in one
// binary. Each subcommand has a file; this one decides about exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/internal/broker"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// version is set by the build.
var version = "dev"

// Exit codes, which scripts depend on.
const (
	exitFailed = 1 // while running
	exitUsage  = 2 // bad flags or configuration
	exitStore  = 3 // the store cannot be opened
)

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }

func execute(args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	understood := false // the command line: what fails before is a mistake in it
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	ctx, stop := untilSignal(context.Background(), stderr)
	defer stop()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "aerobee:", err)
	if !understood {
		return exitUsage
	}
	return exitCode(err)
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The
// second one ends the process.
func untilSignal(parent context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case sig := <-signals:
				if n > 0 {
					fmt.Fprintln(stderr, "aerobee:", sig, "again: not waiting for a clean stop")
					os.Exit(exitFailed)
				}
				cancel()
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

func exitCode(err error) int {
	var usage usageError
	var problems *config.Problems
	var locked *vfs.LockedError
	var file *store.FileError
	var state *broker.UnreadableError
	switch {
	case errors.As(err, &usage), errors.As(err, &problems):
		return exitUsage
	case errors.As(err, &locked), errors.As(err, &file), errors.As(err, &state):
		return exitStore
	default:
		return exitFailed
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "aerobee",
		Short:         "A RocketMQ server in one binary",
		Long:          "aerobee serves the clients and tools of Apache RocketMQ 5: nameserver and broker in one process, or each alone.",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().String("log-format", "text", "format of the log on stderr: text or json")
	root.PersistentFlags().String("log-level", "info", "least level that is logged: debug, info, warn or error")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newServerCommand(), newNamesrvCommand(), newBrokerCommand(),
		newSendCommand(), newTailCommand(), newAdminCommand(), newBenchCommand(), newStoreCommand(),
	)
	return root
}

// newLogger makes the process' logger from the flags.
func newLogger(cmd *cobra.Command) (*slog.Logger, error) {
	format, err := cmd.Flags().GetString("log-format")
	if err != nil {
		return nil, err
	}
	text, err := cmd.Flags().GetString("log-level")
	if err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %q: must be debug, info, warn or error", text)}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), opts)), nil
	default:
		return nil, usageError{fmt.Errorf("--log-format %q: must be text or json", format)}
	}
}
