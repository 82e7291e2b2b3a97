package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/admin"
)

// newDLQCommand is "aerobee admin dlq": verbs that mqadmin does not have.
func newDLQCommand(group string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dlq VERB",
		Short:   "Dead letters: list, show, count, redrive, purge, export",
		GroupID: group,
		Long: `Dead letters of a consumer group: the messages it could not consume. Works with
Apache's brokers too, except for purge.

Conditions (--where) are comparisons joined by "and":

  tag=paid and attempts>=3 and prop.region!='eu west'

Names: tag, key, id, origin (the topic), reason, attempts, body, prop.NAME (a
property). Operators: = != ~ (contains) < <= > >= (numbers).

Reasons: MAX_ATTEMPTS, REJECTED (the consumer asked for it), ORDERED (an orderly
consumer gave up), DIRECT (a producer sent it there), and EARLY, where a broker of
Apache's did not write down which of the first two it was.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(cmd, args[0])
		},
	}
	for _, v := range dlqVerbs() {
		cmd.AddCommand(v.command(""))
	}
	return cmd
}

func dlqVerbs() []verb {
	group := must(text("g", "group", "consumer group"))
	chosen := []flag{
		group, text("", "where", "only dead letters for which this condition holds"),
		moment("s", "startTime", "dead since"), moment("e", "endTime", "dead before"),
	}
	with := func(more ...flag) []flag { return append(chosen[:len(chosen):len(chosen)], more...) }
	return []verb{
		{
			name: "list", short: "List the dead letters of a group, or without -g the groups that have some",
			flags: append([]flag{text("g", "group", "consumer group")}, with(number("", "limit", "100", "stop after so many; 0: never"))[1:]...),
			run:   listDeadLetters,
		},
		{
			name: "show", short: "Show one dead letter",
			flags: []flag{group, must(text("i", "msgId", "message id, the producer's or the offset id"))},
			run:   showDeadLetter,
		},
		{
			name: "count", short: "Count dead letters by topic, reason and tag",
			flags: chosen,
			run:   countDeadLetters,
		},
		{
			name: "redrive", short: "Send dead letters to their topics again; goes on where the last redrive of the group ended",
			flags: with(
				text("t", "to", "send all to this topic; default: to the one each was sent to first. Every group of the topic gets them"),
				toggle("", "same-queue", "to the queue each was in first, as long as its broker still has it"),
				text("", "rate", "at most so many, such as 100/s, 600/m, 50"),
				number("", "limit", "0", "stop after so many sent; 0: never"),
				boolean("", "mark", "true", "give the copies the property AEROBEE_REDRIVEN, the id of the dead letter"),
				text("", "job", "a name: jobs of different names have different progress"),
				text("", "from", "begin: from the oldest dead letter, also those that were redriven before"),
				toggle("", "dry-run", "only print what would be sent"),
			),
			run: redriveDeadLetters,
		},
		{
			name: "purge", short: "Drop all dead letters of a group for good (only aerobee's brokers can)",
			flags: []flag{group, toggle("y", "yes", "yes, drop them"), toggle("", "dry-run", "only print what would be dropped")},
			run:   purgeDeadLetters,
		},
		{
			name: "export", short: "Print dead letters as JSON, one on a line",
			flags:  with(number("", "limit", "0", "stop after so many; 0: never")),
			stream: exportDeadLetters,
		},
	}
}

// scanOf reads the flags that choose dead letters.
func scanOf(in input) (admin.DeadLetterScan, error) {
	where, err := admin.ParseWhere(in.text("where"))
	if err != nil {
		return admin.DeadLetterScan{}, usagef("--where: %w", err)
	}
	limit := int64(0)
	if in.text("limit") != "" {
		if limit = in.number("limit"); limit < 0 {
			return admin.DeadLetterScan{}, usagef("--limit is %d, must not be negative", limit)
		}
	}
	return admin.DeadLetterScan{
		Group: in.text("group"), Where: where, Begin: in.time("startTime"), End: in.time("endTime"), Limit: limit,
	}, nil
}

// shownDeadLetter is a dead letter as it is printed.
type shownDeadLetter struct {
	Group    string `json:"group"`
	Origin   string `json:"originTopic,omitempty"`
	OriginID string `json:"originMsgId,omitempty"`
	Reason   string `json:"reason"`
	Limit    int32  `json:"attemptsAllowed,omitempty"`
	Client   string `json:"client,omitempty"`
	shownMessage
}

func shownDeadLetterOf(d *admin.DeadLetter) shownDeadLetter {
	return shownDeadLetter{
		Group: d.Group, Origin: d.Origin, OriginID: d.OriginID, Reason: d.Reason, Limit: d.Limit, Client: d.Client,
		shownMessage: shownMessageOf(d.MessageView),
	}
}

func listDeadLetters(ctx context.Context, c *admin.Client, in input) (report, error) {
	if !in.given("group") {
		return listDeadLetterQueues(ctx, c)
	}
	scan, err := scanOf(in)
	if err != nil {
		return report{}, err
	}
	list := []shownDeadLetter{}
	v := view{header: []any{"broker", "queue", "offset", "message id", "dead since", "attempts", "reason", "origin", "tag", "keys"}}
	err = c.DeadLetters(ctx, scan, func(d *admin.DeadLetter) error {
		if len(list) == maxPrinted {
			return fmt.Errorf("more than %d dead letters; use --limit, or export", maxPrinted)
		}
		list = append(list, shownDeadLetterOf(d))
		v.add(d.Queue.Broker, d.Queue.ID, d.Offset, d.ID(), d.StoredAt, d.ReconsumeTimes, d.Reason, d.Origin, d.Tag(), strings.Join(d.Keys(), " "))
		return nil
	})
	r := report{data: list, tables: []view{v}}
	if scan.Limit > 0 && int64(len(list)) == scan.Limit {
		r.notes = []string{"", fmt.Sprintf("stopped at --limit %d", scan.Limit)}
	}
	if err != nil && len(list) == 0 {
		return report{}, err
	}
	return r, err
}

func listDeadLetterQueues(ctx context.Context, c *admin.Client) (report, error) {
	queues, err := c.DeadLetterQueues(ctx, "")
	v := view{header: []any{"group", "broker", "queue", "dead letters", "from", "to", "redriven up to", "last"}}
	for _, q := range queues {
		v.add(q.Group, q.Broker, q.ID, q.Size(), q.Min, q.Max, q.Redriven, q.LastUpdate)
	}
	return report{data: queues, tables: []view{v}}, err
}

func showDeadLetter(ctx context.Context, c *admin.Client, in input) (report, error) {
	d, err := c.DeadLetterByID(ctx, in.text("group"), in.text("msgId"))
	if err != nil {
		return report{}, err
	}
	shown := shownDeadLetterOf(d)
	v := pairs("", "group", d.Group, "reason", d.Reason, "attempts", d.ReconsumeTimes, "attempts allowed", d.Limit,
		"client", d.Client, "dead since", d.StoredAt, "origin topic", d.Origin, "origin id", d.OriginID)
	v.rows = append(v.rows, shown.view().rows...)
	return report{data: shown, tables: []view{v}}, nil
}

func countDeadLetters(ctx context.Context, c *admin.Client, in input) (report, error) {
	scan, err := scanOf(in)
	if err != nil {
		return report{}, err
	}
	counts, err := c.CountDeadLetters(ctx, scan)
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"origin", "reason", "tag", "dead letters"}}
	total := int64(0)
	for _, n := range counts {
		v.add(n.Origin, n.Reason, n.Tag, n.Count)
		total += n.Count
	}
	return report{data: counts, tables: []view{v}, notes: []string{"", "total: " + strconv.FormatInt(total, 10)}}, nil
}

// parseRate reads 100/s, 600/m or 50 as messages a second.
func parseRate(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	per := map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || per == 0 || n < 0.001 || n > 1e9 {
		return 0, usagef("--rate is %q, must be a number and /s, /m or /h, such as 100/s", text)
	}
	return n / per.Seconds(), nil
}

// maxDryRows bounds the messages that a dry run lists; all of them are counted.
const maxDryRows = 1000

func redriveDeadLetters(ctx context.Context, c *admin.Client, in input) (report, error) {
	scan, err := scanOf(in)
	if err != nil {
		return report{}, err
	}
	job := admin.Redrive{
		Group: scan.Group, Where: scan.Where, Begin: scan.Begin, End: scan.End, Limit: scan.Limit,
		To: in.text("to"), SameQueue: in.on("same-queue"), Mark: in.on("mark"), DryRun: in.on("dry-run"), Job: in.text("job"),
	}
	if job.Rate, err = parseRate(in.text("rate")); err != nil {
		return report{}, err
	}
	switch in.text("from") {
	case "":
	case "begin":
		job.Anew = true
	default:
		return report{}, usagef("--from is %q, must be begin, or left out to go on where the last redrive ended", in.text("from"))
	}
	dry := view{header: []any{"broker", "queue", "offset", "message id", "to topic", "tag", "reason"}}
	if job.DryRun {
		job.Sent = func(d *admin.DeadLetter, topic string, _ *client.SendResult) error {
			if len(dry.rows) < maxDryRows {
				dry.add(d.Queue.Broker, d.Queue.ID, d.Offset, d.ID(), topic, d.Tag(), d.Reason)
			}
			return nil
		}
	}
	result, err := c.RedriveDeadLetters(ctx, job)
	if err != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("interrupted; the same command goes on from here: %w", err)
	}
	return redriveReport(result, dry), err
}

func redriveReport(result admin.RedriveResult, dry view) report {
	r := report{data: result}
	did := "sent"
	if result.DryRun {
		did = "would be sent"
		r.tables = append(r.tables, dry)
		if n := result.Sent - int64(len(dry.rows)); n > 0 {
			r.notes = append(r.notes, fmt.Sprintf("and %d more", n))
		}
	}
	v := view{header: []any{"broker", "queue", "from", "to"}}
	for _, q := range result.Queues {
		v.add(q.Broker, q.ID, q.From, q.To)
	}
	r.tables = append(r.tables, v)
	r.notes = append(r.notes, "", fmt.Sprintf("%d %s, %d passed over, in %v", result.Sent, did, result.Passed, result.Elapsed.Round(time.Millisecond)))
	return r
}

func purgeDeadLetters(ctx context.Context, c *admin.Client, in input) (report, error) {
	group := in.text("group")
	if !in.on("yes") {
		queues, err := c.DeadLetterQueues(ctx, group)
		if err != nil {
			return report{}, err
		}
		n := int64(0)
		v := view{header: []any{"broker", "queue", "dead letters", "from", "to"}}
		for _, q := range queues {
			n += q.Size()
			v.add(q.Broker, q.ID, q.Size(), q.Min, q.Max)
		}
		if !in.on("dry-run") {
			return report{}, usagef("this drops %d dead letters of group %s for good: say so with -y (--yes)", n, group)
		}
		return report{data: queues, tables: []view{v}, notes: []string{"", fmt.Sprintf("%d would be dropped", n)}}, nil
	}
	purged, err := c.PurgeDeadLetters(ctx, group)
	if err != nil && len(purged) == 0 {
		return report{}, err
	}
	v := view{header: []any{"broker", "queue", "was from", "begins at"}}
	for _, q := range purged {
		v.add(q.Addr, q.ID, q.Min, q.Max)
	}
	return report{data: purged, tables: []view{v}}, err
}

func exportDeadLetters(ctx context.Context, c *admin.Client, in input, w io.Writer) error {
	scan, err := scanOf(in)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err = c.DeadLetters(ctx, scan, func(d *admin.DeadLetter) error { return enc.Encode(shownDeadLetterOf(d)) })
	return errors.Join(err, out.Flush())
}
