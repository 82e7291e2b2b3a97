package config

import (
	"path/filepath"
	"reflect"
	"sync"
	"time"
)

// Nameservice says what a nameserver does and where it listens.
type Nameservice struct {
	BindAddress        string        `prop:"bindAddress" default:"0.0.0.0" doc:"Address to listen on."`
	ListenPort         int           `prop:"listenPort" default:"9876" min:"0" max:"65535" doc:"Port to listen on; 0 chooses one."`
	KVConfigPath       string        `prop:"kvConfigPath" default:"{home}/namesrv/kvConfig.json" doc:"File of the key-value configuration. Run-time changes of the configuration are kept beside it, in namesrvRuntime.json."`
	ConfigStorePath    string        `prop:"configStorePath" default:"{home}/namesrv/namesrv.properties" doc:"Shown for compatibility: the file given with -c. aerobee never writes it."`
	ScanInterval       time.Duration `prop:"scanNotActiveBrokerInterval" default:"5000" unit:"ms" min:"10" reload:"true" doc:"Time between looks for brokers whose heartbeats stopped."`
	OrderMessage       bool          `prop:"orderMessageEnable" default:"false" reload:"true" doc:"Add the order configuration of a topic to its route."`
	ReturnOrderConfig  bool          `prop:"returnOrderTopicConfigToBroker" default:"true" reload:"true" doc:"Answer a registration with the order configuration of all topics."`
	ActingMaster       bool          `prop:"supportActingMaster" default:"false" reload:"true" doc:"Let a slave stand in for a missing master in routes."`
	NotifyMinBrokerID  bool          `prop:"notifyMinBrokerIdChanged" default:"false" reload:"true" doc:"Tell the brokers of a group when their smallest id changes."`
	AllTopicList       bool          `prop:"enableAllTopicList" default:"true" reload:"true" doc:"Answer code 206."`
	TopicList          bool          `prop:"enableTopicList" default:"true" reload:"true" doc:"Answer codes 224, 311, 312 and 313."`
	NeedWait           bool          `prop:"needWaitForService" default:"false" doc:"Refuse route requests after start until brokers had time to register."`
	WaitForService     time.Duration `prop:"waitSecondsForService" default:"45" unit:"s" min:"0" doc:"How long that is."`
	DeleteUnregistered bool          `prop:"deleteTopicWithBrokerRegistration" default:"false" reload:"true" doc:"A full registration removes the broker's topics that it does not contain."`
	ConfigBlackList    string        `prop:"configBlackList" default:"configBlackList;configStorePath;kvConfigPath" doc:"Keys that code 318 refuses, separated by ;."`
	MaxTopics          int           `prop:"aerobeeMaxTopics" default:"2000000" min:"1" reload:"true" doc:"aerobee only: most topics; registrations beyond are refused."`
	MaxBrokers         int           `prop:"aerobeeMaxBrokers" default:"20000" min:"1" reload:"true" doc:"aerobee only: most broker processes; registrations beyond are refused."`
	MaxKVEntries       int           `prop:"aerobeeMaxKVEntries" default:"200000" min:"1" reload:"true" doc:"aerobee only: most entries of the key-value configuration."`
}

// Namesrv is the configuration of a nameserver. Fields may be assigned until
// the value is shared; then it is read only, see Live. Validate after assigning.
type Namesrv struct {
	Nameservice
	Network

	rest map[string]string // accepted keys that were given; replaced, never written
}

var namesrvSchema = sync.OnceValue(func() *schema {
	return newSchema("namesrv", reflect.TypeFor[Namesrv](), acceptedNamesrv)
})

func (n *Namesrv) view() view {
	return view{schema: namesrvSchema(), v: reflect.ValueOf(n).Elem(), rest: &n.rest}
}

func (n *Namesrv) copy() *Namesrv {
	c := *n
	return &c
}

// DefaultNamesrv returns Java's defaults on this machine.
func DefaultNamesrv() *Namesrv { return DefaultNamesrvOn(LocalHost()) }

// DefaultNamesrvOn is DefaultNamesrv for a given machine.
func DefaultNamesrvOn(h Host) *Namesrv {
	n := new(Namesrv)
	n.view().setDefaults(reflect.ValueOf(n).Elem(), h)
	return n
}

// LoadNamesrv reads a namesrv.conf over the defaults; an empty path means no
// file. The error is a *Problems, or that of reading the file.
func LoadNamesrv(path string) (*Namesrv, Report, error) {
	if path == "" {
		n := DefaultNamesrv()
		return n, Report{}, n.Validate()
	}
	text, err := readFile(path)
	if err != nil {
		return nil, Report{}, err
	}
	return ParseNamesrv(path, text, LocalHost())
}

// ParseNamesrv is LoadNamesrv for text that came from the file source.
func ParseNamesrv(source string, text []byte, h Host) (*Namesrv, Report, error) {
	n := DefaultNamesrvOn(h)
	problems := &Problems{Source: source}
	changes, err := ParseProperties(text)
	if err != nil {
		problems.add("", "", "%s", err)
		return nil, Report{}, problems
	}
	n.view().apply(changes, problems)
	n.check(problems)
	if err := problems.or(); err != nil {
		return nil, Report{}, err
	}
	n.ConfigStorePath = source
	return n, Report{File: source, Ignored: n.view().ignored()}, nil
}

// Override sets any known key, as if it stood in the file.
func (n *Namesrv) Override(key, value string) error {
	p := &Problems{}
	n.view().apply([]Change{{key, value}}, p)
	return p.or()
}

// Set changes a key of a running nameserver; see Broker.Set.
func (n *Namesrv) Set(key, value string) error {
	return n.view().set(key, value, n.ConfigBlackList)
}

// Value returns the value of any known key; see Broker.Value.
func (n *Namesrv) Value(key string) (value string, ok bool) { return n.view().get(key) }

// Properties lists all keys with their values as sorted key=value lines: the
// body of code 319 and the output of -p.
func (n *Namesrv) Properties() string { return n.view().properties() }

// Validate checks what the tags cannot say. The error is a *Problems.
func (n *Namesrv) Validate() error {
	p := &Problems{}
	n.check(p)
	return p.or()
}

func (n *Namesrv) check(p *Problems) {
	checkAddress(p, "bindAddress", n.BindAddress)
	if n.KVConfigPath == "" {
		p.add("kvConfigPath", "", "allowed: a file")
	}
}

// RuntimePath is the file that keeps changes made with code 318.
func (n *Namesrv) RuntimePath() string {
	return filepath.Join(filepath.Dir(n.KVConfigPath), "namesrvRuntime.json")
}
