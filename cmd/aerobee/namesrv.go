package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/run"
)

func newNamesrvCommand() *cobra.Command {
	var file string
	var show bool
	cmd := &cobra.Command{
		Use:   "namesrv",
		Short: "Run a nameserver alone",
		Long:  "Run a nameserver alone, with the configuration file and the defaults of Apache RocketMQ's.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, report, err := config.LoadNamesrv(file)
			if err != nil {
				return usageError{err}
			}
			if show {
				_, err := fmt.Fprint(cmd.OutOrStdout(), cfg.Properties())
				return err
			}
			return runNamesrv(cmd, cfg, report)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file, Java properties")
	cmd.Flags().BoolVarP(&show, "print", "p", false, "print the effective configuration and exit")
	return cmd
}

func runNamesrv(cmd *cobra.Command, cfg *config.Namesrv, report config.Report) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	report.Log(log)
	warnOpen(log, cfg.BindAddress)
	s := &server{cmd: cmd, log: log, started: time.Now()}
	g := run.NewGroup(cmd.Context())
	addr, err := startNamesrv(g, cfg, log)
	if err != nil {
		return err
	}
	s.announce("namesrv", addr.String())
	return g.Wait()
}
