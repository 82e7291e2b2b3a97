package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/internal/store/inspect"
	"github.com/aerobee/aerobee/internal/vfs"
)

// storeFlags say where a store is and what no file tells about it.
type storeFlags struct {
	config inspect.Config
	output string
}

func newStoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Look into a store directory, without a broker",
		Long: `Look into a store directory of aerobee or of a Java broker. Nothing is written
and no lock is taken, so that it also works while a broker runs on the directory.
Exit code 0: nothing is wrong; 1: problems were found; 2: not a store.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("store needs a command: check, ls or cat")
		},
	}
	cmd.AddCommand(newStoreCheckCommand(), newStoreLsCommand(), newStoreCatCommand())
	return cmd
}

// register adds the flags that all commands have.
func (f *storeFlags) register(cmd *cobra.Command, output bool) {
	c := &f.config
	c.FS = vfs.OS
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("store %s takes one argument, the directory; there are %d", cmd.Name(), len(args))
		}
		return nil
	}
	flags := cmd.Flags()
	flags.StringVar(&c.CommitLogDir, "commitlog", "", "directory of the commit log, where it is not DIR/commitlog (storePathCommitLog)")
	flags.Int64Var(&c.CommitLogFileSize, "commitlog-file-size", 0, "bytes, 0: as most files (mappedFileSizeCommitLog)")
	flags.Int64Var(&c.QueueFileSize, "queue-file-size", 0, "bytes, 0: as most files (mappedFileSizeConsumeQueue)")
	flags.Int64Var(&c.IndexSlots, "index-slots", 0, "slots of an index file, 0: from its length, with four entries for each (maxHashSlotNum)")
	flags.Int64Var(&c.IndexEntries, "index-entries", 0, "entries of an index file, 0: as for --index-slots (maxIndexNum)")
	if output {
		flags.StringVar(&f.output, "output", "table", "table or json")
	}
}

// open opens the store that the argument names.
func (f *storeFlags) open(args []string) (*inspect.Dir, error) {
	c := &f.config
	c.Dir = args[0]
	for name, v := range map[string]int64{
		"commitlog-file-size": c.CommitLogFileSize, "queue-file-size": c.QueueFileSize, "index-slots": c.IndexSlots, "index-entries": c.IndexEntries,
	} {
		if v < 0 || v > 1<<31-1 {
			return nil, usagef("--%s is %d, must be 0 to 2147483647", name, v)
		}
	}
	if c.QueueFileSize%20 != 0 {
		return nil, usagef("--queue-file-size is %d, must be a multiple of 20", c.QueueFileSize)
	}
	d, err := inspect.Open(*c)
	if errors.Is(err, inspect.ErrNoStore) {
		return nil, usageError{err}
	}
	return d, err
}

// progressLine shows how far a check is, on a terminal alone, from the third
// second on.
func progressLine(w io.Writer) (show func(part string, done, total int64), end func()) {
	file, ok := w.(*os.File)
	if !ok {
		return nil, func() {}
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, func() {}
	}
	const every = 200 * time.Millisecond
	next, shown := time.Now().Add(3*time.Second), false
	show = func(part string, done, total int64) {
		if now := time.Now(); now.After(next) && total > 0 {
			next, shown = now.Add(every), true
			fmt.Fprintf(w, "\r\x1b[K%s: %d%%", part, 100*done/total)
		}
	}
	return show, func() {
		if shown {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// storeTime is a store time in ms as it is shown.
func storeTime(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
