// Command bench measures aerobee and Apache RocketMQ side by side: the same load
// generator, the same machine, alternating runs, fresh servers on empty stores,
// medians. It prints a table and writes it with all single results to
// bench/results.
//
//	go run ./bench                    # everything: about an hour
//	go run ./bench -quick             # one short round, to see that it works
//	go run ./bench -rows catch-up     # only rows whose name contains this
//
// Apache's servers come from the class path in ROCKETMQ_CLASSPATH, or else out of
// Maven (bench/pom.xml). The rows and their budgets are in rows.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	bin        string
	dir        string
	results    string
	rows       string
	servers    string
	rounds     int
	duration   time.Duration
	warmup     time.Duration
	warmupJava time.Duration
	heap       string
	quick      bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := compare(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.bin, "bin", "bin/aerobee", "the aerobee binary")
	flags.StringVar(&o.dir, "dir", "", "directory for stores, deleted after each run (default: a temporary one)")
	flags.StringVar(&o.results, "results", "bench/results", "directory of the written results")
	flags.StringVar(&o.rows, "rows", "", "only rows whose name contains this")
	flags.StringVar(&o.servers, "servers", "apache,aerobee", "which servers, in the order of each round")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds; the table has medians")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "measured time of each run")
	flags.DurationVar(&o.warmup, "warmup", 3*time.Second, "load before it, for aerobee")
	flags.DurationVar(&o.warmupJava, "warmup-java", 30*time.Second, "load before it, for Apache")
	flags.StringVar(&o.heap, "heap", "2g", "heap of Apache's broker")
	flags.BoolVar(&o.quick, "quick", false, "one round of 2 s after 5 s for Apache and 1 s for aerobee")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.rounds, o.duration, o.warmup, o.warmupJava = 1, 2*time.Second, time.Second, 5*time.Second
	}
	if o.rounds < 1 || o.duration <= 0 {
		return o, fmt.Errorf("-rounds is %d and -duration is %v: both must be positive", o.rounds, o.duration)
	}
	return o, nil
}

func compare(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "aerobee-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	servers, err := o.chooseServers(ctx)
	if err != nil {
		return err
	}
	rows := chooseRows(o.rows)
	if len(rows) == 0 {
		return fmt.Errorf("-rows %q: no row has that in its name", o.rows)
	}
	t := newTable(rows)
	for round := range o.rounds {
		for _, r := range rows {
			for _, s := range servers {
				fmt.Fprintf(os.Stderr, "round %d of %d: %s: %s\n", round+1, o.rounds, r.name, s.name())
				result, err := o.measure(ctx, s, r)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", r.name, s.name(), err)
				}
				_ = result.WriteText(os.Stderr) // only for who watches
				t.add(r.name, s.name(), result)
			}
		}
	}
	if err := t.write(o.results, o); err != nil {
		return err
	}
	return t.print(os.Stdout)
}

// measure runs one row on a fresh server.
func (o options) measure(ctx context.Context, s server, r row) (measured, error) {
	store := filepath.Join(o.dir, "store")
	defer os.RemoveAll(store)
	started, err := s.start(ctx, store, r.sync)
	if err != nil {
		return measured{}, err
	}
	result, err := r.run(ctx, o, started, s.warmup(o))
	return result, errors.Join(err, started.stop())
}

func (o options) chooseServers(ctx context.Context) ([]server, error) {
	var servers []server
	for name := range strings.SplitSeq(o.servers, ",") {
		switch name {
		case "aerobee":
			if _, err := os.Stat(o.bin); err != nil {
				return nil, fmt.Errorf("-bin: %w; \"make build\" makes it", err)
			}
			servers = append(servers, aerobee{bin: o.bin})
		case "apache":
			classes, err := classPath(ctx)
			if err != nil {
				return nil, err
			}
			servers = append(servers, apache{classes: classes, heap: o.heap})
		default:
			return nil, fmt.Errorf("-servers: %q is neither apache nor aerobee", name)
		}
	}
	return servers, nil
}
