package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/internal/config"
)

func newBrokerCommand() *cobra.Command {
	var file, names string
	var show bool
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Run a broker alone",
		Long:  "Run a broker alone, with the configuration file and the defaults of Apache RocketMQ's.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, report, err := config.LoadBroker(file)
			if err != nil {
				return usageError{err}
			}
			if names != "" {
				if err := cfg.Override("namesrvAddr", names); err != nil {
					return usageError{err}
				}
			}
			if show {
				_, err := fmt.Fprint(cmd.OutOrStdout(), cfg.Properties())
				return err
			}
			return runBroker(cmd, cfg, report)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "broker.conf")
	cmd.Flags().StringVarP(&names, "namesrv", "n", "", `nameservers, "host:port;host:port"`)
	cmd.Flags().BoolVarP(&show, "print", "p", false, "print the effective configuration and exit")
	return cmd
}

func runBroker(cmd *cobra.Command, cfg *config.Broker, report config.Report) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	report.Log(log)
	warnOpen(log, cfg.BindAddress)
	s := &server{cmd: cmd, log: log, started: time.Now()}
	ctx := cmd.Context()
	b, err := s.broker(ctx, cfg, "", newMetrics())
	if err != nil {
		return s.ended(ctx, err)
	}
	s.announce("broker", b.Addr().String(), "store", cfg.StorePathRootDir)
	return b.Wait(ctx)
}
