package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/bench/load"
	"github.com/aerobee/aerobee/client/admin"
)

// benchFlags are the flags of "aerobee bench".
type benchFlags struct {
	namesrv string
	broker  string
	queues  int32
	output  string
	load    load.Config
}

func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench produce|consume|latency",
		Short: "Load a server and measure it",
		Long: `Load a server and measure it: any RocketMQ server, aerobee's or Apache's. The load
generator is cheap (a core drives some hundred thousand messages a second), and it
charges a server that stalls for everything it held up (--rate).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usagef("bench: there is no load %q; it is produce, consume or latency", args[0])
		},
	}
	cmd.AddCommand(
		benchCommand("produce", "Send messages", `Send messages and measure throughput and latency. Without --rate every connection
keeps --inflight requests unanswered.`, 1024, 1, load.Produce),
		benchCommand("consume", "Read a topic from its beginning", `Read the messages that a topic has, as fast as the server gives them. It ends with
the topic unless --loop is given.`, 1024, 32, load.Consume),
		benchCommand("latency", "Measure the way from producer to consumer", `Send at a fixed rate (1000 a second unless --rate says otherwise) and follow the
topic with long-polling pulls; measure from when a message was due to be sent to
when its consumer has it.`, 128, 1, load.Latency),
	)
	return cmd
}

type loadFunc func(context.Context, load.Config) (load.Result, error)

func benchCommand(name, short, long string, size, batch int, drive loadFunc) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("bench %s: unexpected argument %q", name, args[0])
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.namesrv, "namesrv", "n", "", `nameservers, "host:port;host:port" (default NAMESRV_ADDR or `+defaultNamesrv+`)`)
	flags.StringVar(&f.broker, "broker", "", "broker address host:port; no nameserver is asked then")
	flags.StringVarP(&f.load.Topic, "topic", "t", "aerobee_bench", "topic; it is made if it does not exist, except by consume")
	flags.Int32Var(&f.queues, "queues", 0, "give the topic this many queues at each broker; 0: as it is, 8 when it is made")
	flags.IntVar(&f.load.Conns, "conns", 4, "connections")
	flags.IntVar(&f.load.Inflight, "inflight", 32, "requests unanswered on each connection; for consume, queues read at once")
	flags.IntVar(&f.load.Size, "size", size, "bytes of a body")
	flags.IntVar(&f.load.Batch, "batch", batch, "messages in a request")
	flags.Float64Var(&f.load.Rate, "rate", 0, "messages a second in all, sent on schedule; 0: as fast as the server answers")
	flags.DurationVar(&f.load.Duration, "duration", 0, "measured time (default 10s, without --count)")
	flags.Int64Var(&f.load.Count, "count", 0, "measured messages; 0: until --duration")
	flags.DurationVar(&f.load.Warmup, "warmup", 0, "time before, not measured")
	flags.BoolVar(&f.load.Random, "random", false, "queues in random order")
	flags.BoolVar(&f.load.Loop, "loop", false, "consume: start over at the end of the topic")
	flags.IntVar(&f.load.PID, "pid", 0, "process of the server, for its CPU time and memory")
	flags.StringVar(&f.output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd, drive) }
	return cmd
}

func (f *benchFlags) run(cmd *cobra.Command, drive loadFunc) error {
	ctx := cmd.Context()
	if f.output != "text" && f.output != "json" {
		return usagef("bench %s: --output is %q, must be text or json", cmd.Name(), f.output)
	}
	if err := f.resolve(ctx, cmd.Name()); err != nil {
		return err
	}
	if err := f.load.WithDefaults().Validate(); err != nil {
		return usagef("bench %s: %w", cmd.Name(), err)
	}
	result, err := drive(ctx, f.load)
	if err != nil {
		return err
	}
	if f.output == "json" {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(result)
	}
	return result.WriteText(cmd.OutOrStdout())
}

// resolve finds the queues to load.
func (f *benchFlags) resolve(ctx context.Context, kind string) error {
	addrs, err := nameservers(f.namesrv)
	if err != nil {
		return usagef("bench %s: %w", kind, err)
	}
	c, err := admin.New(admin.WithNameservers(addrs...), admin.WithTimeout(10*time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	w := load.Where{Admin: c, Topic: f.load.Topic, Broker: f.broker, Create: f.queues}
	if kind != "consume" {
		if err := w.Ensure(ctx); err != nil {
			return err
		}
	}
	f.load.Queues, err = w.Resolve(ctx, kind == "latency")
	return err
}
