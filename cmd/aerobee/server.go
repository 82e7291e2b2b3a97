package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/aerobee/aerobee/internal/broker"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/console"
	"github.com/aerobee/aerobee/internal/namesrv"
	"github.com/aerobee/aerobee/internal/run"
)

// serverFlags are the flags of aerobee server, which stay as they are.
type serverFlags struct {
	data, bind, advertise                           string
	namesrvPort, brokerPort, proxyPort, consolePort int
	cluster, brokerName, config, flush              string
	repair                                          bool
}

func newServerCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run nameserver, broker and console in one process",
		Long: `Run nameserver, broker and console in one process.

The defaults are safe: loopback only, and an acknowledgement means that the
message is on disk. A port of 0 chooses one; the chosen addresses are printed
when everything answers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServer(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "./data", "directory of everything that is stored")
	flags.StringVar(&f.bind, "bind", "127.0.0.1", "IP address to listen on")
	flags.StringVar(&f.advertise, "advertise", "", "host[:port] that clients reach the broker at (default: the bind address and broker port)")
	flags.IntVar(&f.namesrvPort, "namesrv-port", 9876, "port of the nameserver")
	flags.IntVar(&f.brokerPort, "broker-port", 10911, "port of the broker; the fast port is two below")
	flags.IntVar(&f.proxyPort, "proxy-port", 8081, "port of the gRPC proxy, which this version does not have: it stays closed")
	flags.IntVar(&f.consolePort, "console-port", 8082, "port of /livez, /readyz, /metrics and profiles")
	flags.StringVar(&f.cluster, "cluster", "DefaultCluster", "name of the cluster")
	flags.StringVar(&f.brokerName, "broker-name", "broker-a", "name of the broker")
	flags.StringVar(&f.config, "config", "", "broker.conf with more settings; flags win")
	flags.StringVar(&f.flush, "flush", "sync", "what an acknowledgement means: sync (on disk) or async (written)")
	flags.BoolVar(&f.repair, "repair", false, repairUsage)
	return cmd
}

// settings makes the broker's configuration: safe defaults, then the file, then
// the flags that were given.
func (f *serverFlags) settings(cmd *cobra.Command) (*config.Broker, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	b := config.DefaultBroker()
	flush := map[string]string{"sync": "SYNC_FLUSH", "async": "ASYNC_FLUSH"}[f.flush]
	byFlag := []struct{ flag, key, value string }{
		{"cluster", "brokerClusterName", f.cluster},
		{"broker-name", "brokerName", f.brokerName},
		{"bind", "bindAddress", f.bind},
		{"broker-port", "listenPort", strconv.Itoa(f.brokerPort)},
		{"flush", "flushDiskType", flush},
		{"data", "storePathRootDir", f.data},
		{"data", "storePathCommitLog", filepath.Join(f.data, "commitlog")},
		{"bind", "brokerIP1", f.brokerIP()},
		{"bind", "brokerIP2", f.brokerIP()},
		{"", "namesrvAddr", ""},
		{"", "enablePropertyFilter", "true"},
		// Aged files go at any hour, and room is counted in bytes: a tenth of a
		// large disk is a lot of room.
		{"", "aerobeeDeleteContinuously", "true"},
		{"", "aerobeeDiskMinFreeBytes", strconv.Itoa(512 << 20)},
		{"", "diskSpaceWarningLevelRatio", "100"},
		{"", "diskSpaceCleanForciblyRatio", "100"},
		{"", "timerMaxDelaySec", strconv.Itoa(40 * 24 * 3600)},
		{"", "recallMessageEnable", "true"},
	}
	for _, s := range byFlag {
		if err := b.Override(s.key, s.value); err != nil {
			return nil, err
		}
	}
	if f.config != "" {
		text, err := os.ReadFile(f.config)
		if err != nil {
			return nil, usageError{fmt.Errorf("--config: %w", err)}
		}
		changes, err := config.ParseProperties(text)
		if err != nil {
			return nil, err
		}
		var errs []error
		for _, c := range changes {
			errs = append(errs, b.Override(c.Key, c.Value))
		}
		if err := errors.Join(errs...); err != nil {
			return nil, fmt.Errorf("%s: %w", f.config, err)
		}
		for _, s := range byFlag {
			if s.flag == "" || !cmd.Flags().Changed(s.flag) {
				continue
			}
			if err := b.Override(s.key, s.value); err != nil {
				return nil, err
			}
		}
	}
	return b, b.Validate()
}

func (f *serverFlags) check() error {
	if net.ParseIP(f.bind) == nil {
		return usageError{fmt.Errorf("--bind %q: must be an IP address", f.bind)}
	}
	if f.flush != "sync" && f.flush != "async" {
		return usageError{fmt.Errorf("--flush %q: must be sync or async", f.flush)}
	}
	for name, port := range map[string]int{
		"namesrv-port": f.namesrvPort, "broker-port": f.brokerPort, "proxy-port": f.proxyPort, "console-port": f.consolePort,
	} {
		if port < 0 || port > 65535 {
			return usageError{fmt.Errorf("--%s %d: must be 0 to 65535", name, port)}
		}
	}
	return nil
}

// brokerIP is the address that goes into routes and message ids.
func (f *serverFlags) brokerIP() string {
	if host, _, err := net.SplitHostPort(f.advertise); err == nil {
		return host
	}
	if f.advertise != "" {
		return f.advertise
	}
	if ip := net.ParseIP(f.bind); ip.IsUnspecified() {
		return config.LocalHost().IP
	}
	return f.bind
}

func runServer(cmd *cobra.Command, f *serverFlags) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	cfg, err := f.settings(cmd)
	if err != nil {
		return err
	}
	ns := namesrvSettings(f)
	if err := ns.Validate(); err != nil {
		return err
	}
	s := &server{cmd: cmd, log: log, started: time.Now(), repair: f.repair}
	return s.run(cmd.Context(), f, cfg, ns)
}

func namesrvSettings(f *serverFlags) *config.Namesrv {
	ns := config.DefaultNamesrv()
	ns.BindAddress, ns.ListenPort = f.bind, f.namesrvPort
	ns.KVConfigPath = filepath.Join(f.data, "namesrv", "kvConfig.json")
	ns.ConfigStorePath = filepath.Join(f.data, "namesrv", "namesrv.properties")
	return ns
}

// server is the process of one of the three commands that run roles.
type server struct {
	cmd     *cobra.Command
	log     *slog.Logger
	started time.Time
	repair  bool // mend the store first
	ready   atomic.Bool
	role    atomic.Pointer[broker.Broker] // from before its start on
}

// run runs all roles until ctx ends or one fails. They stop in the reverse of
// the order in which they started: the nameserver outlives the broker, which
// unregisters from it.
func (s *server) run(ctx context.Context, f *serverFlags, cfg *config.Broker, ns *config.Namesrv) (err error) {
	warnOpen(s.log, f.bind)
	reg := newMetrics()
	web := run.NewGroup(context.WithoutCancel(ctx))
	defer func() { web.Cancel(); err = errors.Join(err, web.Wait()) }()
	consoleAddr, err := s.console(web, net.JoinHostPort(f.bind, strconv.Itoa(f.consolePort)), reg)
	if err != nil {
		return err
	}
	names := run.NewGroup(context.WithoutCancel(ctx))
	defer func() { names.Cancel(); err = errors.Join(err, names.Wait()) }()
	nsAddr, err := startNamesrv(names, ns, s.log)
	if err != nil {
		return err
	}
	if err := cfg.Override("namesrvAddr", joinAddrs(reachable(nsAddr), cfg.NamesrvAddr)); err != nil {
		return err
	}
	b, err := s.broker(ctx, cfg, f.advertise, reg)
	if err != nil {
		return s.ended(ctx, err)
	}
	s.announce("namesrv", nsAddr.String(), "broker", b.Addr().String(), "console", consoleAddr.String(), "store", cfg.StorePathRootDir)
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(names.Context(), cancel)()
	defer context.AfterFunc(web.Context(), cancel)()
	err = b.Wait(watch)
	s.ready.Store(false)
	return err
}

// broker starts a broker that its nameservers know.
func (s *server) broker(ctx context.Context, cfg *config.Broker, advertise string, reg *prometheus.Registry) (*broker.Broker, error) {
	b, err := broker.New(broker.Config{Broker: cfg, Advertise: withPort(advertise), Repair: s.repair, Logger: s.log})
	if err != nil {
		return nil, usageError{err}
	}
	if err := b.RegisterStartMetrics(reg); err != nil {
		return nil, err
	}
	s.role.Store(b)
	if err := b.Start(ctx); err != nil {
		return nil, err
	}
	if err := b.RegisterMetrics(reg); err != nil {
		return nil, errors.Join(err, b.Stop(context.WithoutCancel(ctx)))
	}
	b.AwaitRegistration(ctx)
	return b, nil
}

// ended is the outcome of a start that failed: a signal during a long recovery is an
// order, and the next start goes on from where this one was.
func (s *server) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		s.log.Info("stopped during the start", "reason", err)
		return nil
	}
	return err
}

// withPort completes an advertised address; port 0 is the port in use.
func withPort(advertise string) string {
	if advertise == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(advertise); err == nil {
		return advertise
	}
	return net.JoinHostPort(advertise, "0")
}

func startNamesrv(g *run.Group, cfg *config.Namesrv, log *slog.Logger) (net.Addr, error) {
	ns := namesrv.New(namesrv.Config{Namesrv: cfg, Logger: log})
	addr, err := ns.Listen()
	if err != nil {
		return nil, err
	}
	g.Go("nameserver", ns.Run)
	return addr, nil
}

func (s *server) console(g *run.Group, addr string, reg *prometheus.Registry) (net.Addr, error) {
	c := console.New(console.Config{Logger: s.log, Metrics: reg, Ready: s.whyNotReady})
	bound, err := c.Listen(addr)
	if err != nil {
		return nil, err
	}
	g.Go("console", c.Run)
	return bound, nil
}

// whyNotReady is what /readyz says.
func (s *server) whyNotReady() error {
	if b := s.role.Load(); b != nil {
		if err := b.Ready(); err != nil {
			return err
		}
	}
	if !s.ready.Load() {
		return errors.New("starting or stopping")
	}
	return nil
}

func newMetrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// announce prints the one line that says that everything answers.
func (s *server) announce(pairs ...string) {
	var b strings.Builder
	b.WriteString("aerobee ready")
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, " %s=%s", pairs[i], pairs[i+1])
	}
	s.ready.Store(true)
	fmt.Fprintf(s.cmd.OutOrStdout(), "%s in=%s\n", b.String(), time.Since(s.started).Round(time.Millisecond))
}

func warnOpen(log *slog.Logger, bind string) {
	if ip := net.ParseIP(bind); ip == nil || !ip.IsLoopback() {
		log.Warn("listening beyond loopback without authentication: anybody who reaches the port can read and write", "bind", bind)
	}
}

// reachable is a listening address as this process can dial it.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// joinAddrs puts the process' own nameserver before those of the configuration.
func joinAddrs(own, others string) string {
	if others == "" {
		return own
	}
	return own + ";" + others
}
