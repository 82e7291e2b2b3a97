package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/client/admin"
)

// defaultNamesrv is used when neither -n nor NAMESRV_ADDR says otherwise.
const defaultNamesrv = "127.0.0.1:9876"

// newAdminCommand is "aerobee admin": the verbs of mqadmin, each with the flags it
// has there. The families are in the files admin_*.go.
func newAdminCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin VERB",
		Short: "Operate a cluster, with the verbs and flags of mqadmin",
		Long: `Operate a cluster of RocketMQ or aerobee, with the verbs and flags of mqadmin.

The nameservers are taken from -n, or else from the environment variable
NAMESRV_ADDR, or else are ` + defaultNamesrv + `.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(cmd, args[0])
		},
	}
	cmd.PersistentFlags().StringP("namesrvAddr", "n", "", `nameservers, "host:port;host:port"`)
	cmd.PersistentFlags().String("output", "table", "table, json or yaml")
	cmd.PersistentFlags().Duration("timeout", 5*time.Second, "limit for each request")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef("%s: %w", cmd.Name(), err) })
	for _, family := range []struct {
		id, title string
		verbs     []verb
	}{
		{"cluster", "Clusters and brokers:", clusterVerbs()},
		{"topic", "Topics:", topicVerbs()},
		{"group", "Consumer groups and clients:", groupVerbs()},
		{"offset", "Offsets:", offsetVerbs()},
		{"message", "Messages:", messageVerbs()},
		{"config", "Configuration and nameservers:", configVerbs()},
	} {
		cmd.AddGroup(&cobra.Group{ID: family.id, Title: family.title})
		for _, v := range family.verbs {
			cmd.AddCommand(v.command(family.id))
		}
	}
	cmd.AddCommand(newDLQCommand("message"))
	return cmd
}

func unknownVerb(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 3
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		return usagef("%s: there is no verb %s; did you mean %s?", cmd.Name(), name, strings.Join(similar, ", "))
	}
	return usagef("%s: there is no verb %s; \"%s --help\" lists them", cmd.Name(), name, cmd.CommandPath())
}

// verb is one entry of the table of verbs.
type verb struct {
	name  string
	short string
	flags []flag
	// either lists flags of which one must be given.
	either []string
	run    func(ctx context.Context, c *admin.Client, in input) (report, error)
	// stream, in place of run, writes what has no end that fits into memory.
	stream func(ctx context.Context, c *admin.Client, in input, w io.Writer) error
}

func (v verb) command(group string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     v.name,
		Short:   v.short,
		GroupID: group,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s: unexpected argument %q; values follow their flags", v.name, args[0])
			}
			return nil
		},
	}
	for _, f := range v.flags {
		f.define(cmd.Flags())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return v.execute(cmd) }
	return cmd
}

// execute checks the flags, runs the verb and prints what it reports. A report
// is printed even beside an error: the part that was done.
func (v verb) execute(cmd *cobra.Command) error {
	in := input{cmd.Flags()}
	if err := v.check(in); err != nil {
		return usagef("%s: %w", v.name, err)
	}
	out, err := newPrinter(cmd.OutOrStdout(), in.text("output"))
	if err != nil {
		return usagef("%s: %w", v.name, err)
	}
	c, err := newAdminClient(in)
	if err != nil {
		return usagef("%s: %w", v.name, err)
	}
	defer c.Close()
	if v.stream != nil {
		if err := v.stream(cmd.Context(), c, in, cmd.OutOrStdout()); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		return nil
	}
	for {
		result, err := v.run(cmd.Context(), c, in)
		if result.data != nil {
			if printErr := out.print(result); printErr != nil && err == nil {
				err = printErr
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if result.again <= 0 || !sleep(cmd.Context(), result.again) {
			return nil
		}
	}
}

// sleep waits; it is false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (v verb) check(in input) error {
	for _, f := range v.flags {
		if f.required && strings.TrimSpace(in.text(f.long)) == "" {
			return fmt.Errorf("%s is required: %s", f.name(), f.usage)
		}
		if err := f.valid(in); err != nil {
			return err
		}
	}
	if len(v.either) == 0 {
		return nil
	}
	names := make([]string, 0, len(v.either))
	for _, long := range v.either {
		if in.given(long) {
			return nil
		}
		for _, f := range v.flags {
			if f.long == long {
				names = append(names, f.name())
			}
		}
	}
	return fmt.Errorf("one of %s is required", strings.Join(names, ", "))
}

func newAdminClient(in input) (*admin.Client, error) {
	addrs, err := nameservers(in.text("namesrvAddr"))
	if err != nil {
		return nil, err
	}
	timeout, err := in.flags.GetDuration("timeout")
	if err != nil {
		return nil, err
	}
	return admin.New(admin.WithNameservers(addrs...), admin.WithTimeout(timeout))
}

// nameservers are those of the flag, of the environment, or the default.
func nameservers(flag string) ([]string, error) {
	text := flag
	if text == "" {
		text = os.Getenv("NAMESRV_ADDR")
	}
	if text == "" {
		text = defaultNamesrv
	}
	addrs := strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == ',' || r == ' ' })
	for _, addr := range addrs {
		if !strings.Contains(addr, ":") {
			return nil, fmt.Errorf("nameserver address %q must be host:port", addr)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("nameserver address %q has no host:port", text)
	}
	return addrs, nil
}
