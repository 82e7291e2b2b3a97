package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/client"
)

// sendFlags are the flags of "aerobee send".
type sendFlags struct {
	namesrv string
	message string
	tag     string
	keys    []string
	props   []string
	queue   string
	delay   int
	group   string
}

func newSendCommand() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send TOPIC",
		Short: "Send one message, or a message for each line of standard input",
		Long: `Send one message (-m), or one for each line of standard input; empty lines are
passed over. The id of each stored message is printed on a line of its own, in
the order of the input. The first message that cannot be stored ends the command.`,
		Example: `  aerobee send Orders -m hello --tag new --key order-17
  seq 1000 | aerobee send Numbers --queue 0`,
		Args: topicArgument,
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.namesrv, "namesrvAddr", "n", "", `nameservers, "host:port;host:port" (default NAMESRV_ADDR or `+defaultNamesrv+`)`)
	flags.StringVarP(&f.message, "message", "m", "", "body; without it, lines of standard input")
	flags.StringVar(&f.tag, "tag", "", "tag of the messages")
	flags.StringArrayVar(&f.keys, "key", nil, "key to find the messages by; may be repeated")
	flags.StringArrayVar(&f.props, "prop", nil, "property name=value; may be repeated")
	flags.StringVar(&f.queue, "queue", "", "queue number, or broker:number; default: in turn")
	flags.IntVar(&f.delay, "delay-level", 0, "1 to 18: 1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h")
	flags.StringVar(&f.group, "group", "aerobee_send", "producer group")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.run(cmd.Context(), args[0], cmd.Flags().Changed("message"), cmd.InOrStdin(), cmd.OutOrStdout())
	}
	return cmd
}

// topicArgument wants one argument, the topic.
func topicArgument(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s takes one argument, the topic; there are %d", cmd.Name(), len(args))
	}
	return nil
}

func (f *sendFlags) run(ctx context.Context, topic string, one bool, in io.Reader, out io.Writer) error {
	template, err := f.template(topic)
	if err != nil {
		return err
	}
	addrs, err := nameservers(f.namesrv)
	if err != nil {
		return usagef("send: %w", err)
	}
	p, err := client.NewProducer(ctx, f.group, client.WithNameservers(addrs...))
	if err != nil {
		return usageError{err}
	}
	defer p.Close()
	if f.queue != "" {
		if template.To, err = f.chooseQueue(ctx, p, topic); err != nil {
			return err
		}
	}
	if one {
		return sendOne(ctx, p, template, []byte(f.message), out)
	}
	return sendLines(ctx, p, template, in, out)
}

// template is the message without its body.
func (f *sendFlags) template(topic string) (client.Message, error) {
	m := client.Message{Topic: topic, Tag: f.tag, Keys: f.keys, DelayLevel: f.delay, Properties: make(map[string]string)}
	for _, prop := range f.props {
		name, value, ok := strings.Cut(prop, "=")
		if !ok || name == "" || value == "" {
			return m, usagef("--prop is %q, must be name=value", prop)
		}
		m.Properties[name] = value
	}
	if f.delay < 0 || f.delay > 18 {
		return m, usagef("--delay-level is %d, must be 0 to 18", f.delay)
	}
	return m, nil
}

// chooseQueue finds the queue that --queue names.
func (f *sendFlags) chooseQueue(ctx context.Context, p *client.Producer, topic string) (*client.Queue, error) {
	broker, text, named := strings.Cut(f.queue, ":")
	if !named {
		broker, text = "", f.queue
	}
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 0 {
		return nil, usagef("--queue is %q, must be a number or broker:number", f.queue)
	}
	queues, err := p.Queues(ctx, topic)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		if q.ID == int32(id) && (!named || q.Broker == broker) {
			return &q, nil
		}
	}
	return nil, fmt.Errorf("send: topic %s has no writable queue %s; it has %d", topic, f.queue, len(queues))
}

func sendOne(ctx context.Context, p *client.Producer, m client.Message, body []byte, out io.Writer) error {
	m.Body = body
	result, err := p.Send(ctx, &m)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, result.ID); err != nil {
		return err
	}
	if result.Status != client.SendOK {
		return fmt.Errorf("message %s is stored, but %v", result.ID, result.Status)
	}
	return nil
}

// maxLine bounds a line of input to the largest message that brokers take.
const maxLine = 4 << 20

func sendLines(ctx context.Context, p *client.Producer, m client.Message, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := sendOne(ctx, p, m, lines.Bytes(), out); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("longer than %d bytes", maxLine)
		}
		return fmt.Errorf("standard input: line %d: %w", n+1, err)
	}
	return nil
}
