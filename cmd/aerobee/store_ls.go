package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/internal/store/inspect"
)

func newStoreLsCommand() *cobra.Command {
	var f storeFlags
	var withLog bool
	cmd := &cobra.Command{
		Use:   "ls DIR",
		Short: "List the queues and files of a store directory",
		Long: `List the consume queues and the index files of a store directory, and with --log
the files of the commit log with their records, for which the log is read. With
--output json each is an object on a line of its own.`,
	}
	f.register(cmd, true)
	cmd.Flags().BoolVar(&withLog, "log", false, "read the commit log and count its records")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out, err := newPrinter(cmd.OutOrStdout(), f.output)
		if err != nil {
			return usageError{err}
		}
		if out.form == "yaml" {
			return usagef("--output is %q, must be table or json", out.form)
		}
		d, err := f.open(args)
		if err != nil {
			return err
		}
		if out.form == "json" {
			err = listLines(cmd.Context(), d, withLog, cmd.OutOrStdout())
		} else {
			err = listTables(cmd.Context(), d, withLog, out)
		}
		return errors.Join(err, d.Close())
	}
	return cmd
}

// listLines writes a line of JSON for each thing as it is found.
func listLines(ctx context.Context, d *inspect.Dir, withLog bool, w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if withLog {
		if err := d.LogFiles(ctx, func(x inspect.LogFileInfo) error { return enc.Encode(x) }); err != nil {
			return err
		}
	}
	if err := d.Queues(ctx, func(x inspect.QueueInfo) error { return enc.Encode(x) }); err != nil {
		return err
	}
	files, err := d.IndexFiles()
	for _, x := range files {
		err = errors.Join(err, enc.Encode(x))
	}
	return err
}

func listTables(ctx context.Context, d *inspect.Dir, withLog bool, out *printer) error {
	queues := view{title: "queues", header: []any{"topic", "queue", "min", "max", "files", "bytes", "first stored", "last stored"}}
	err := d.Queues(ctx, func(q inspect.QueueInfo) error {
		queues.add(q.Topic, q.ID, q.Min, q.Max, q.Files, q.Bytes, storeTime(q.FirstStore), storeTime(q.LastStore))
		return nil
	})
	if err != nil {
		return err
	}
	r := report{tables: []view{queues}}
	if withLog {
		log := view{title: "commit log", header: []any{"file", "start", "bytes", "records", "first stored", "last stored"}}
		err := d.LogFiles(ctx, func(f inspect.LogFileInfo) error {
			log.add(f.File, f.Start, f.Bytes, f.Records, storeTime(f.FirstStore), storeTime(f.LastStore))
			return nil
		})
		if err != nil {
			return err
		}
		r.tables = append(r.tables, log)
	}
	files, err := d.IndexFiles()
	if err != nil {
		return err
	}
	if len(files) > 0 {
		v := view{title: "index", header: []any{"file", "bytes", "entries", "first offset", "last offset", "first stored", "last stored"}}
		for _, f := range files {
			v.add(f.File, f.Bytes, f.Entries, f.First, f.Last, storeTime(f.Begin), storeTime(f.End))
		}
		r.tables = append(r.tables, v)
	}
	return out.print(r)
}
