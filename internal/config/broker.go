package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Broker is the configuration of a broker. Fields may be assigned until the
// value is shared; then it is read only, see Live. Validate after assigning.
type Broker struct {
	Identity
	Nameserver
	Topics
	Store
	Flush
	Duplicates
	Retention
	Reads
	Filters
	Lite
	Delay
	Pop
	Timer
	Transactions
	Clients
	Network

	rest map[string]string // accepted keys that were given; replaced, never written
}

var brokerSchema = sync.OnceValue(func() *schema {
	return newSchema("broker", reflect.TypeFor[Broker](), acceptedBroker)
})

func (b *Broker) view() view {
	return view{schema: brokerSchema(), v: reflect.ValueOf(b).Elem(), rest: &b.rest}
}

func (b *Broker) copy() *Broker {
	c := *b
	return &c
}

// DefaultBroker returns Java's defaults on this machine, as an empty file would.
func DefaultBroker() *Broker { return DefaultBrokerOn(LocalHost()) }

// DefaultBrokerOn is DefaultBroker for a given machine.
func DefaultBrokerOn(h Host) *Broker {
	b := new(Broker)
	b.view().setDefaults(reflect.ValueOf(b).Elem(), h)
	return b
}

// LoadBroker reads a broker.conf over the defaults; an empty path means no
// file. The error is a *Problems, or that of reading the file.
func LoadBroker(path string) (*Broker, Report, error) {
	if path == "" {
		b := DefaultBroker()
		return b, Report{}, b.Validate()
	}
	text, err := readFile(path)
	if err != nil {
		return nil, Report{}, err
	}
	return ParseBroker(path, text, LocalHost())
}

// ParseBroker is LoadBroker for text that came from source.
func ParseBroker(source string, text []byte, h Host) (*Broker, Report, error) {
	b := DefaultBrokerOn(h)
	problems := &Problems{Source: source}
	changes, err := ParseProperties(text)
	if err != nil {
		problems.add("", "", "%s", err)
		return nil, Report{}, problems
	}
	b.view().apply(changes, problems)
	b.check(problems)
	if err := problems.or(); err != nil {
		return nil, Report{}, err
	}
	return b, Report{File: source, Ignored: b.view().ignored()}, nil
}

// Override sets any known key, as if it stood in the file. It is for the command line.
func (b *Broker) Override(key, value string) error {
	p := &Problems{}
	b.view().apply([]Change{{key, value}}, p)
	return p.or()
}

// Set changes a key of a running broker: b must be a copy that nobody else has
// seen yet (Live makes one). Only keys with the reload tag, and keys without
// effect, can be changed; the error wraps ErrBlackListed or ErrRestart, or is a
// *Problems.
func (b *Broker) Set(key, value string) error {
	return b.view().set(key, value, b.ConfigBlackList)
}

// Value returns the value of any known key in the syntax of the file; ok is
// false for a key that is unknown or, in Java's terms, null.
func (b *Broker) Value(key string) (value string, ok bool) { return b.view().get(key) }

// Properties lists all keys with their values as sorted key=value lines: the
// body of code 26 and the output of -p. Secrets are masked.
func (b *Broker) Properties() string { return b.view().properties() }

// Validate sets what follows from other keys (a master's brokerId) and checks
// what the tags cannot say. The error is a *Problems.
func (b *Broker) Validate() error {
	p := &Problems{}
	b.check(p)
	return p.or()
}

func (b *Broker) check(p *Problems) {
	if b.BrokerRole == AsyncMaster || b.BrokerRole == SyncMaster {
		b.BrokerID = 0
	}
	if b.BrokerRole == Slave {
		p.add("brokerRole", string(b.BrokerRole), "allowed: ASYNC_MASTER, SYNC_MASTER (replication is not available in this version)")
	}
	if copies, _ := b.Value("inSyncReplicas"); b.BrokerRole == SyncMaster && copies != "1" {
		p.add("inSyncReplicas", copies, "allowed: 1 with SYNC_MASTER (replication is not available in this version)")
	}
	for _, name := range []struct{ key, value string }{{"brokerName", b.BrokerName}, {"brokerClusterName", b.BrokerClusterName}} {
		if name.value == "" || strings.ContainsAny(name.value, " \t;:,") {
			p.add(name.key, name.value, "allowed: a name without spaces, commas, colons and semicolons")
		}
	}
	checkAddress(p, "bindAddress", b.BindAddress)
	checkAddress(p, "brokerIP1", b.BrokerIP1)
	checkAddress(p, "brokerIP2", b.BrokerIP2)
	if _, err := splitAddrs(b.NamesrvAddr); err != nil {
		p.add("namesrvAddr", b.NamesrvAddr, "%s; allowed: 192.168.0.1:9876;192.168.0.2:9876", err)
	}
	if _, err := parseDelays(b.MessageDelayLevel); err != nil {
		p.add("messageDelayLevel", b.MessageDelayLevel, "%s", err)
	}
	if b.TimerLogFileSize < minTimerLog {
		p.add("mappedFileSizeTimerLog", strconv.FormatInt(b.TimerLogFileSize, 10), "allowed: at least %d", minTimerLog)
	}
	if _, err := parseHours(b.DeleteWhen); err != nil {
		p.add("deleteWhen", b.DeleteWhen, "%s", err)
	}
	if b.ListenPort > 65534 && b.HAListenPort == 0 {
		p.add("listenPort", strconv.Itoa(b.ListenPort), "allowed: at most 65534, because haListenPort is the port above")
	}
	if b.StorePathRootDir == "" {
		p.add("storePathRootDir", "", "allowed: a directory")
	}
}

// NamesrvAddrs returns the addresses of namesrvAddr.
func (b *Broker) NamesrvAddrs() []string {
	addrs, _ := splitAddrs(b.NamesrvAddr)
	return addrs
}

// DelayLevels returns the delays of the levels 1, 2, ...; level n is at n-1.
func (b *Broker) DelayLevels() []time.Duration {
	levels, _ := parseDelays(b.MessageDelayLevel)
	return levels
}

// minTimerLog is the least size of a timer log file in bytes: two entries and the
// mark of its end.
const minTimerLog = 120

// TimerPrecision is timerPrecisionMs as a Java broker takes it: 100, 200, 500 or
// 1000 ms, the next one below.
func (b *Broker) TimerPrecision() time.Duration {
	for _, p := range []time.Duration{time.Second, 500 * time.Millisecond, 200 * time.Millisecond} {
		if b.TimerPrecisionWish >= p {
			return p
		}
	}
	return 100 * time.Millisecond
}

// DeleteHours returns the hours of the day of deleteWhen.
func (b *Broker) DeleteHours() []int {
	hours, _ := parseHours(b.DeleteWhen)
	return hours
}

// CommitLogDirs returns the directories that commit log files are written to.
func (b *Broker) CommitLogDirs() []string {
	if dirs := splitList(b.StorePathCommitLog); len(dirs) > 0 {
		return dirs
	}
	return []string{filepath.Join(b.StorePathRootDir, "commitlog")}
}

// ReadOnlyCommitLogDirs returns the directories that are only read.
func (b *Broker) ReadOnlyCommitLogDirs() []string { return splitList(b.ReadOnlyCommitLogPaths) }

// HAPort is the port for slaves: haListenPort, or the one above listenPort.
func (b *Broker) HAPort() int {
	if b.HAListenPort > 0 {
		return b.HAListenPort
	}
	return b.ListenPort + 1
}

// ConsumeQueueBytes is the size of a queue file: a whole number of 20-byte entries.
func (b *Broker) ConsumeQueueBytes() int64 { return (b.ConsumeQueueFileSize + 19) / 20 * 20 }

// RegisterInterval is registerNameServerPeriod within the 10 s to 60 s that a
// Java broker keeps to.
func (b *Broker) RegisterInterval() time.Duration {
	return min(max(b.RegisterNameServerPeriod, 10*time.Second), time.Minute)
}

// readFile reads a configuration file of at most MaxText bytes.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxText {
		return nil, fmt.Errorf("%s: %d bytes of configuration, at most %d are read", path, info.Size(), MaxText)
	}
	return os.ReadFile(path)
}

func checkAddress(p *Problems, key, value string) {
	if value == "" || strings.ContainsAny(value, " \t;,/") || strings.Contains(value, ":") && net.ParseIP(strings.Trim(value, "[]")) == nil {
		p.add(key, value, "allowed: a host name or IP address")
	}
}
