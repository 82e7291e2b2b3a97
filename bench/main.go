// Command bench measures aerobee and Apache RocketMQ side by side: the same load
// generator, the same machine, alternating runs, fresh servers on empty stores.
// It prints a table of medians and writes it with all single results to
// bench/results.
//
//	go run ./bench                          # everything but what takes long: about an hour
//	go run ./bench -large                   # with 100,000,000 messages and a store of 50 GB
//	go run ./bench -quick                   # one short round, to see that it works
//	go run ./bench -rows "catch-up|idle"    # only rows whose name matches
//	go run ./bench -page                    # put the newest results into docs/performance.md
//
// Apache's servers come from the class path in ROCKETMQ_CLASSPATH, or else out of
// Maven (bench/pom.xml). The rows and their budgets are in rows.go, the method is
// described in docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	bin, dir, results, rows, servers, heap string
	profile, page, from                    string
	rounds, queues                         int
	duration, warmup, warmupJava, idle     time.Duration
	backlog, coldBytes, largeBytes         int64
	quick, large, fillCache, writePage     bool
	ballast                                *ballast // nil: not wanted
}

// quickly are the flags that -quick sets unless they are given.
var quickly = [...][2]string{
	{"rounds", "1"},
	{"duration", "2s"},
	{"warmup", "1s"},
	{"warmup-java", "5s"},
	{"idle", "2s"},
	{"queues", "2000"},
	{"backlog", "1000000"},
	{"cold-mb", "256"},
	{"large-mb", "256"},
	{"fill-cache", "false"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := execute(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	var coldMB, largeMB int64
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.bin, "bin", "bin/aerobee", "the aerobee binary")
	flags.StringVar(&o.dir, "dir", "", "directory for stores, deleted after each run (default: a temporary one)")
	flags.StringVar(&o.results, "results", "bench/results", "directory of the written results")
	flags.StringVar(&o.rows, "rows", "", "only rows whose name this regular expression matches")
	flags.StringVar(&o.servers, "servers", "apache,aerobee", "which servers, in the order of each round")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds; the table has medians")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "measured time of each run")
	flags.DurationVar(&o.warmup, "warmup", 3*time.Second, "load before it, for aerobee")
	flags.DurationVar(&o.warmupJava, "warmup-java", 30*time.Second, "load before it, for Apache")
	flags.DurationVar(&o.idle, "idle", 10*time.Second, "measured time of a server without work, after as long a wait")
	flags.StringVar(&o.heap, "heap", "2g", "heap of Apache's broker")
	flags.IntVar(&o.queues, "queues", 100_000, "queues of the rows with very many of them")
	flags.Int64Var(&o.backlog, "backlog", 100_000_000, "messages of the backlog row")
	flags.Int64Var(&coldMB, "cold-mb", 4096, "MiB of old messages of the row with cold reads")
	flags.Int64Var(&largeMB, "large-mb", 50_000, "MiB of log of the row that starts with a large store")
	flags.BoolVar(&o.fillCache, "fill-cache", true, "fill the page cache before each run")
	flags.BoolVar(&o.large, "large", false, "also the rows that take long and much disk")
	flags.BoolVar(&o.quick, "quick", false, "one short round of everything, to see that it works")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the load generator to this file")
	flags.BoolVar(&o.writePage, "page", false, "measure nothing: put results into -to")
	flags.StringVar(&o.page, "to", "docs/performance.md", "page that -page writes")
	flags.StringVar(&o.from, "from", "", "results file (JSON) that -page reads (default: the newest in -results)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		given := make(map[string]bool)
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for _, q := range quickly {
			if given[q[0]] {
				continue
			}
			if err := flags.Set(q[0], q[1]); err != nil {
				return o, err
			}
		}
	}
	o.coldBytes, o.largeBytes = coldMB<<20, largeMB<<20
	return o, o.check()
}

func (o options) check() error {
	if o.rounds < 1 || o.duration <= 0 || o.idle <= 0 {
		return fmt.Errorf("-rounds is %d, -duration %v and -idle %v: all must be positive", o.rounds, o.duration, o.idle)
	}
	if o.queues < 1 || o.backlog < 1 || o.coldBytes < 1 || o.largeBytes < 1 {
		return errors.New("-queues, -backlog, -cold-mb and -large-mb must be positive")
	}
	return nil
}

// method is what one has to know of the flags to read the numbers.
func (o options) method() string {
	return fmt.Sprintf("Rounds: %d, of %v each, after a load of %v (aerobee) and %v (Apache, heap %s); %d queues where there are very many, %d messages of backlog, %d MiB of cold messages, %d MiB of log in the large store.",
		o.rounds, o.duration, o.warmup, o.warmupJava, o.heap, o.queues, o.backlog, o.coldBytes>>20, o.largeBytes>>20)
}

func execute(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.writePage {
		return writePage(o.page, o.from, o.results)
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "aerobee-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	return compare(ctx, o)
}

// compare runs everything that is asked for and writes it down.
func compare(ctx context.Context, o options) error {
	servers, err := o.chooseServers(ctx)
	if err != nil {
		return err
	}
	rows, err := chooseRows(o.rows, o.large)
	if err != nil {
		return err
	}
	if o.fillCache {
		if o.ballast, err = openBallast(o.dir); err != nil {
			return err
		}
		defer o.ballast.close()
	}
	large := filepath.Join(o.dir, largeStore)
	defer os.RemoveAll(large)
	defer os.Remove(large + ".filled")
	r := &report{Date: time.Now().UTC(), Method: o.method()}
	if r.Machine, err = inspect(ctx, o.dir); err != nil {
		return err
	}
	for round := range o.rounds {
		interrupted := o.round(ctx, r, rows, servers, round+1)
		if err := errors.Join(interrupted, r.write(o.results)); err != nil { // with what there is by now
			return err
		}
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if failed := r.failures("aerobee"); len(failed) > 0 { // Apache's are in the table
		return fmt.Errorf("aerobee failed:\n%s", strings.Join(failed, "\n"))
	}
	return nil
}

// round runs each row at each server once.
func (o options) round(ctx context.Context, r *report, rows []row, servers []server, round int) error {
	for _, row := range rows {
		for _, s := range servers {
			if r.failed(row.name, s.name()) {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s: %s\n", round, o.rounds, row.name, s.name())
			result := o.measure(ctx, s, row)
			if err := ctx.Err(); err != nil {
				return err
			}
			result.Round = round
			if result.Error != "" {
				fmt.Fprintf(os.Stderr, "failed: %s\n", result.Error)
			}
			r.Runs = append(r.Runs, result)
		}
	}
	return nil
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
