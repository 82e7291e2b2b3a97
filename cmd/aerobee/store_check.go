package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/internal/store/inspect"
)

func newStoreCheckCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Verify a store directory and say what a start would do",
		Long: `Verify every record, consume queue entry and index entry of a store directory,
its checkpoint and its config files against each other, and say what a start of
a broker would do. Nothing is changed; a start with --repair mends what is found.`,
		Example: `  aerobee store check ./data
  aerobee store check ~/store --max 10 --output json`,
	}
	f.register(cmd, true)
	cmd.Flags().IntVar(&f.config.MaxProblems, "max", 100, "list at most so many problems, and count the rest")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out, err := newPrinter(cmd.OutOrStdout(), f.output)
		if err != nil {
			return usageError{err}
		}
		if f.config.MaxProblems < 1 {
			return usagef("--max is %d, must be at least 1", f.config.MaxProblems)
		}
		show, end := progressLine(cmd.ErrOrStderr())
		f.config.Progress = show
		d, err := f.open(args)
		if err != nil {
			return err
		}
		r, err := d.Check(cmd.Context())
		end()
		if err = errors.Join(err, d.Close()); err != nil {
			return err
		}
		if err := out.print(checkReport(r)); err != nil {
			return err
		}
		if n := int64(len(r.Problems)) + r.More; n > 0 {
			return fmt.Errorf("%s: %d problems; a start with --repair keeps what is intact", r.Dir, n)
		}
		return nil
	}
	return cmd
}

func checkReport(r *inspect.Report) report {
	out := report{data: r, tables: []view{startView(r)}}
	if len(r.Problems) > 0 {
		v := view{title: "problems", header: []any{"file", "byte", "found", "expected"}}
		for _, p := range r.Problems {
			at := any(p.Offset)
			if p.Offset < 0 {
				at = "-"
			}
			v.add(p.File, at, p.Found, p.Expected)
		}
		if r.More > 0 {
			v.add(fmt.Sprintf("and %d more", r.More), "", "", "")
		}
		out.tables = append(out.tables, v)
	}
	v := view{title: "summary", header: []any{"part", "files", "bytes", "items", "problems"}}
	for _, p := range r.Parts {
		v.add(p.Name, p.Files, p.Bytes, p.Items, p.Problems)
	}
	out.tables = append(out.tables, v)
	if r.Fillers > 0 {
		out.notes = append(out.notes, fmt.Sprintf("%d fillers stand for records that an earlier repair found damaged", r.Fillers))
	}
	if r.Orphans > 0 {
		out.notes = append(out.notes, fmt.Sprintf("%d records are of topics that were deleted", r.Orphans))
	}
	return out
}

// startView says what a start would do.
func startView(r *inspect.Report) view {
	s := r.Start
	state := "the store was closed cleanly"
	if !s.Clean {
		state = "the store is in use or was not closed (abort is there)"
	}
	if s.CutOff {
		state += "; what follows the end is a torn tail and would be cut off"
	}
	return pairs("a start", "state", state, "log begins at", r.LogMin, "log read from", s.From, "log ends at", s.End, "bytes read", s.Bytes,
		"queue entries to build", s.UnitsToBuild, "queue entries to drop", s.UnitsToDrop,
		"index entries to build", s.KeysToBuild, "index entries to drop", s.KeysToDrop)
}
