package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/client"
)

// tailFlags are the flags of "aerobee tail".
type tailFlags struct {
	namesrv string
	from    string
	tag     string
	count   int64
	json    bool
	group   string
}

func newTailCommand() *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Print the messages of a topic as they come",
		Long: `Print the body of each message of a topic on a line, as they come, until
interrupted or --count messages are printed. Nothing is committed: any number of
tails see all messages, and consumers do not notice.`,
		Example: `  aerobee tail Orders
  aerobee tail Orders --from begin --tag "paid || refunded" --count 10 --json
  aerobee tail Orders --from 15m`,
		Args: topicArgument,
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.namesrv, "namesrvAddr", "n", "", `nameservers, "host:port;host:port" (default NAMESRV_ADDR or `+defaultNamesrv+`)`)
	flags.StringVar(&f.from, "from", "end", "begin, end, a time, or a duration ago: 2006-01-02T15:04:05, 90m")
	flags.StringVar(&f.tag, "tag", "*", `only messages with this tag, or one of "a || b"`)
	flags.Int64Var(&f.count, "count", 0, "stop after so many messages; 0: never")
	flags.BoolVar(&f.json, "json", false, "print whole messages as JSON, one on a line")
	flags.StringVar(&f.group, "group", "TOOLS_CONSUMER", "consumer group to read as")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		log, err := newLogger(cmd)
		if err != nil {
			return err
		}
		err = f.run(cmd.Context(), args[0], cmd.OutOrStdout(), client.WithLogger(log))
		if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
			return nil // interrupted: the normal end of a tail
		}
		return err
	}
	return cmd
}

func (f *tailFlags) run(ctx context.Context, topic string, out io.Writer, logger client.Option) error {
	start, err := f.position()
	if err != nil {
		return err
	}
	if f.count < 0 {
		return usagef("--count is %d, must not be negative", f.count)
	}
	addrs, err := nameservers(f.namesrv)
	if err != nil {
		return usagef("tail: %w", err)
	}
	c, err := client.NewPullConsumer(ctx, f.group, client.WithNameservers(addrs...), client.WithTags(f.tag), logger)
	if err != nil {
		return usageError{err}
	}
	defer c.Close()
	if _, err := f.assign(ctx, c, topic, nil, start); err != nil {
		return err
	}
	return f.follow(ctx, c, topic, out)
}

func (f *tailFlags) position() (client.Position, error) {
	switch f.from {
	case "begin":
		return client.AtBegin(), nil
	case "end":
		return client.AtEnd(), nil
	}
	t, err := parseTime(f.from, time.Now())
	if err != nil || t.IsZero() {
		return client.Position{}, usagef("--from is %q, must be begin, end, a time or a duration ago", f.from)
	}
	return client.AtTime(t), nil
}

// assign reads all queues of the topic. Those not known yet start at a position,
// whatever the group may have committed.
func (f *tailFlags) assign(ctx context.Context, c *client.PullConsumer, topic string, known []client.Queue, start client.Position) ([]client.Queue, error) {
	queues, err := c.Queues(ctx, topic)
	if err != nil {
		return known, err
	}
	for _, q := range queues {
		if slices.Contains(known, q) {
			continue
		}
		if err := c.Add(ctx, start, q); err != nil {
			return known, err
		}
		known = append(known, q)
	}
	return known, nil
}

// newQueuesEvery is how often the topic is looked at for more queues.
const newQueuesEvery = 30 * time.Second

// follow prints what comes. Queues that the topic gets meanwhile are read from
// their beginning.
func (f *tailFlags) follow(ctx context.Context, c *client.PullConsumer, topic string, out io.Writer) error {
	printed := int64(0)
	look := time.Now().Add(newQueuesEvery)
	for {
		if time.Now().After(look) {
			look = time.Now().Add(newQueuesEvery)
			// Without an answer the queues known so far are read on.
			_, _ = f.assign(ctx, c, topic, c.Assigned(), client.AtBegin())
		}
		round, cancel := context.WithDeadline(ctx, look)
		batch, err := c.Poll(round)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range batch {
			if err := f.write(out, m); err != nil {
				return err
			}
			if printed++; printed == f.count {
				return nil
			}
		}
	}
}

func (f *tailFlags) write(out io.Writer, m *client.MessageView) error {
	if f.json {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(shownMessageOf(m))
	}
	_, err := out.Write(append(m.Body[:len(m.Body):len(m.Body)], '\n'))
	return err
}
