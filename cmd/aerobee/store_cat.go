package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/inspect"
)

// catFlags are the flags of "aerobee store cat".
type catFlags struct {
	storeFlags
	query    inspect.Query
	from, to string
}

func newStoreCatCommand() *cobra.Command {
	var f catFlags
	cmd := &cobra.Command{
		Use:   "cat DIR",
		Short: "Print the messages of a store directory as JSON",
		Long: `Print the messages of a store directory as JSON, one on a line, as clients see
them: bodies unpacked, as text or, when they are not text, as base64. With --topic
they are read from its queues, otherwise from the commit log in order.`,
		Example: `  aerobee store cat ./data --topic Orders --queue 0 --from 100 --limit 10
  aerobee store cat ./data --key 4711
  aerobee store cat ./data --from 2026-01-02T15:04:05 --to 90m`,
	}
	f.register(cmd, false)
	flags := cmd.Flags()
	flags.StringVar(&f.query.Topic, "topic", "", "only this topic")
	flags.Int32Var(&f.query.Queue, "queue", -1, "with --topic: only this queue")
	flags.StringVar(&f.from, "from", "", "an offset (of the queue with --topic, of the log without), a time of storage, or a duration ago")
	flags.StringVar(&f.to, "to", "", "the same, excluded")
	flags.StringVar(&f.query.Key, "key", "", "only messages with this key")
	flags.StringVar(&f.query.ID, "id", "", "only the message with this id, the producer's or the offset id")
	flags.Int64Var(&f.query.Limit, "limit", 0, "stop after so many messages; 0: never")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		d, err := f.open(args)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(cmd.OutOrStdout())
		skipped, err := d.Messages(cmd.Context(), f.query, func(rec []byte) error { return printRecord(out, rec) })
		if skipped > 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "aerobee:", skipped, "places cannot be read: see aerobee store check")
		}
		return errors.Join(err, out.Flush(), d.Close())
	}
	return cmd
}

// check turns flags into the query.
func (f *catFlags) check() error {
	if f.query.Queue >= 0 && f.query.Topic == "" {
		return usagef("--queue is %d, but there is no --topic", f.query.Queue)
	}
	if f.query.Limit < 0 {
		return usagef("--limit is %d, must not be negative", f.query.Limit)
	}
	for _, bound := range []struct {
		flag, text   string
		offset, time *int64
	}{
		{"from", f.from, &f.query.From, &f.query.Since},
		{"to", f.to, &f.query.To, &f.query.Until},
	} {
		if bound.text == "" {
			continue
		}
		if n, err := strconv.ParseInt(bound.text, 10, 64); err == nil && n >= 0 {
			*bound.offset = n
			continue
		}
		t, err := parseTime(bound.text, time.Now())
		if err != nil {
			return usagef("--%s is %q, must be an offset, a time or a duration ago", bound.flag, bound.text)
		}
		*bound.time = t.UnixMilli()
	}
	return nil
}

// printRecord prints the messages of a record; a body that cannot be unpacked is
// printed as it is stored.
func printRecord(w io.Writer, rec []byte) error {
	views, err := client.DecodeMessages(rec, "")
	if err != nil {
		const sysFlag = 36 // where it is in a record
		flag := binary.BigEndian.Uint32(rec[sysFlag:]) &^ (message.FlagCompressed | message.FlagInnerBatch)
		binary.BigEndian.PutUint32(rec[sysFlag:], flag)
		if views, err = client.DecodeMessages(rec, ""); err != nil {
			return err
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, m := range views {
		if err := enc.Encode(shownMessageOf(m)); err != nil {
			return err
		}
	}
	return nil
}
