package config

import (
	"bytes"
	"flag"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

var testHost = Host{Name: "box", IP: "10.1.2.3", Home: "/home/rmq"}

func parse(t *testing.T, text string) (*Broker, Report) {
	t.Helper()
	b, report, err := ParseBroker("broker.conf", []byte(text), testHost)
	require.NoError(t, err)
	return b, report
}

func problems(t *testing.T, text string) []string {
	t.Helper()
	_, _, err := ParseBroker("broker.conf", []byte(text), testHost)
	var p *Problems
	require.ErrorAs(t, err, &p)
	return strings.Split(err.Error(), "\n")
}

func TestReferenceIsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(Reference()), 0o644))
	}
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, Reference(), string(have), "run: go test ./internal/config -run Reference -update")
}

// The list holds every property that the six configuration classes of a Java
// 5.5.0 broker and nameserver have, with its default.
func TestEveryJavaKeyIsKnownWithJavasDefault(t *testing.T) {
	data, err := os.ReadFile("testdata/java/defaults.tsv")
	require.NoError(t, err)
	broker, namesrv := DefaultBrokerOn(testHost), DefaultNamesrvOn(testHost)
	// Values that a startup class or the machine decides.
	differs := map[string]string{
		"listenPort": "", "haListenPort": "0", "brokerName": "box", "brokerIP1": "10.1.2.3", "brokerIP2": "10.1.2.3",
		"storePathRootDir": "/home/rmq/store", "kvConfigPath": "/home/rmq/namesrv/kvConfig.json",
		"configStorePath":    "/home/rmq/namesrv/namesrv.properties",
		"storePathCommitLog": "", "readOnlyCommitLogStorePaths": "", "namesrvAddr": "", "rocketmqHome": "",
	}
	lines := 0
	for line := range strings.Lines(string(data)) {
		cols := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		class, key, want := cols[0], cols[1], cols[2]
		lines++
		check := func(value func(string) (string, bool), known map[string]bool) {
			require.True(t, known[key], "%s of %s", key, class)
			if special, ok := differs[key]; ok {
				want = special
			}
			have, set := value(key)
			if key == "configBlackList" || key == "listenPort" {
				return // asserted per role below
			}
			require.Equal(t, want, have, "%s of %s", key, class)
			require.True(t, set || want == "", key)
		}
		if class != "NamesrvConfig" {
			check(broker.Value, nameSet(brokerSchema()))
		}
		if class == "NamesrvConfig" || strings.HasPrefix(class, "Netty") {
			check(namesrv.Value, nameSet(namesrvSchema()))
		}
	}
	require.Equal(t, 548, lines)
	require.Equal(t, 10911, broker.ListenPort)
	require.Equal(t, 9876, namesrv.ListenPort)
	require.Equal(t, "configBlackList;brokerConfigPath", broker.ConfigBlackList)
	require.Equal(t, "configBlackList;configStorePath;kvConfigPath", namesrv.ConfigBlackList)
	require.NoError(t, broker.Validate())
	require.NoError(t, namesrv.Validate())
}

func nameSet(s *schema) map[string]bool {
	set := map[string]bool{}
	for _, name := range s.names() {
		set[name] = true
	}
	return set
}

func TestTypicalBrokerConf(t *testing.T) {
	b, report := parse(t, `
# as in many a tutorial
brokerClusterName = DefaultCluster
brokerName: broker-a
brokerId = 3
deleteWhen = 04;22
fileReservedTime = 48
brokerRole = ASYNC_MASTER
flushDiskType = SYNC_FLUSH
namesrvAddr=10.0.0.1:9876; \
            10.0.0.2:9876
storePathCommitLog=/d1/commitlog,/d2/commitlog
storePathConsumeQueue=${user.home}/store/consumequeue
sendMessageThreadPoolNums=128
checkTransactionMessageEnable=false
autoCreateTopicEnable=FALSE
flushIntervalCommitLog=750
fileReservedTime=24
mappedFileSizeConsumeQueue=300001
`)
	require.Equal(t, "broker-a", b.BrokerName)
	require.Zero(t, b.BrokerID, "a master is 0")
	require.Equal(t, []int{4, 22}, b.DeleteHours())
	require.Equal(t, 24*time.Hour, b.FileReservedTime, "the last one wins")
	require.Equal(t, SyncFlush, b.FlushDiskType)
	require.Equal(t, []string{"10.0.0.1:9876", "10.0.0.2:9876"}, b.NamesrvAddrs())
	require.Equal(t, []string{"/d1/commitlog", "/d2/commitlog"}, b.CommitLogDirs())
	require.False(t, b.AutoCreateTopic)
	require.Equal(t, 750*time.Millisecond, b.FlushCommitLogInterval)
	require.EqualValues(t, 300020, b.ConsumeQueueBytes())
	require.Equal(t, 10912, b.HAPort())
	require.Equal(t, 18, len(b.DelayLevels()))
	require.Equal(t, 2*time.Hour, b.DelayLevels()[17])

	value, ok := b.Value("storePathConsumeQueue")
	require.True(t, ok)
	require.Equal(t, "${user.home}/store/consumequeue", value, "no expansion, as in Java")
	require.Equal(t, []string{"sendMessageThreadPoolNums", "checkTransactionMessageEnable", "storePathConsumeQueue"}, []string{
		report.Ignored[0].Key, report.Ignored[1].Key, report.Ignored[2].Key,
	})
	var log bytes.Buffer
	report.Log(slog.New(slog.NewTextHandler(&log, nil)))
	require.Contains(t, log.String(), "sendMessageThreadPoolNums")
	require.Equal(t, 2, strings.Count(log.String(), "\n"), "one line per reason")
}

func TestProblemsAreReportedTogether(t *testing.T) {
	require.Equal(t, []string{
		"broker.conf: brokerNmae=x: unknown key; did you mean brokerName?",
		"broker.conf: autocreatetopicenable=true: unknown key; did you mean autoCreateTopicEnable?",
		"broker.conf: zzzzzzzzzzzz=1: unknown key",
		"broker.conf: listenPort=70000: allowed: a whole number, 0 to 65535",
		"broker.conf: flushIntervalCommitLog=0.5: allowed: a whole number, at least 1, in ms",
		"broker.conf: flushDiskType=sync: allowed: ASYNC_FLUSH, SYNC_FLUSH",
		"broker.conf: traceOn=yes: allowed: true, false",
		"broker.conf: authenticationEnabled=true: allowed: false (authentication and authorisation: not available in this version, and ignoring the key would be unsafe)",
		`broker.conf: namesrvAddr=localhost: "localhost" is not host:port; allowed: 192.168.0.1:9876;192.168.0.2:9876`,
		`broker.conf: messageDelayLevel=1s 5x: "5x" is not a delay; allowed: delays of at most 100 years like 1s 5m 2h 1d, separated by spaces`,
		`broker.conf: deleteWhen=24: "24" is not an hour; allowed: 00 to 23, separated by semicolons`,
	}, problems(t, `
brokerNmae=x
autocreatetopicenable=true
zzzzzzzzzzzz=1
listenPort=70000
flushIntervalCommitLog=0.5
flushDiskType=sync
traceOn=yes
authenticationEnabled=true
namesrvAddr=localhost
messageDelayLevel=1s 5x
deleteWhen=24
`))
	for _, text := range []string{
		"brokerRole=SLAVE", "brokerRole=SYNC_MASTER\ninSyncReplicas=2", "brokerName=", "brokerName=a b",
		"storeType=defaultRocksDB", "enableControllerMode=true", "brokerIP1=1.2.3.4:80", "listenPort=65535",
		`brokerName=\u00`, "fileReservedTime=99999999999999999", "mappedFileSizeCommitLog=9999999999999",
		"storePathRootDir=", "messageDelayLevel=", "deleteWhen=;", `regionId=a\nb`, `metricsLabel=a\nb`,
	} {
		problems(t, text)
	}
	parse(t, "storeType=DEFAULT\nauthenticationEnabled=False\nbrokerIP1=fe80::1\nbindAddress=::")
}

func TestSecretsAreMasked(t *testing.T) {
	b, report := parse(t, `innerClientAuthenticationCredentials={"accessKey":"a","secretKey":"s3cr3t"}`)
	require.NotContains(t, b.Properties(), "s3cr3t")
	require.Contains(t, b.Properties(), "innerClientAuthenticationCredentials=******\n")
	require.NotContains(t, report.Ignored[0].Value, "s3cr3t")
}

func TestPropertiesParseBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := DefaultBrokerOn(testHost)
		for _, k := range b.Keys() {
			if k.bounded && rapid.Bool().Draw(t, k.Name) {
				hi := min(k.max, 1<<30)
				if k.Unit == "h" {
					hi = 1 << 20
				}
				value := rapid.Int64Range(max(k.min, -10), hi).Draw(t, "value")
				require.NoError(t, b.Override(k.Name, itoa(value)))
			}
		}
		if b.Validate() != nil {
			return
		}
		back, _, err := ParseBroker("", []byte(b.Properties()), testHost)
		require.NoError(t, err)
		require.Equal(t, b.Properties(), back.Properties())
		for _, k := range b.Keys() {
			want, _ := b.Value(k.Name)
			have, _ := back.Value(k.Name)
			require.Equal(t, want, have, k.Name)
		}
	})
}

func TestOverrideTakesAnyKey(t *testing.T) {
	b := DefaultBrokerOn(testHost)
	require.NoError(t, b.Override("listenPort", "0"))
	require.Zero(t, b.ListenPort)
	require.NoError(t, b.Override("sendMessageThreadPoolNums", "4"))
	require.Error(t, b.Override("listenport", "0"))
	require.Contains(t, b.Properties(), "\nlistenPort=0\n")
	require.Contains(t, b.Properties(), "\nsendMessageThreadPoolNums=4\n")
}

func TestLoadNamesrv(t *testing.T) {
	path := filepath.Join(t.TempDir(), "namesrv.conf")
	require.NoError(t, os.WriteFile(path, []byte("listenPort=19876\nbindAddress=127.0.0.1\nserverWorkerThreads=8\nkvConfigPath=/x/kv.json\n"), 0o600))
	n, report, err := LoadNamesrv(path)
	require.NoError(t, err)
	require.Equal(t, 19876, n.ListenPort)
	require.Equal(t, path, n.ConfigStorePath)
	require.Equal(t, filepath.FromSlash("/x/namesrvRuntime.json"), n.RuntimePath())
	require.Len(t, report.Ignored, 1)

	_, _, err = LoadNamesrv(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	n, _, err = LoadNamesrv("")
	require.NoError(t, err)
	require.Equal(t, 9876, n.ListenPort)
	_, _, err = ParseNamesrv("f", []byte("orderMessagesEnable=true\nbindAddress=a b\nkvConfigPath="), testHost)
	require.EqualError(t, err, "f: orderMessagesEnable=true: unknown key; did you mean orderMessageEnable?\nf: bindAddress=a b: allowed: a host name or IP address\nf: kvConfigPath: allowed: a file")
	_, _, err = LoadBroker("")
	require.NoError(t, err)
}

func TestTextIsBounded(t *testing.T) {
	_, err := ParseProperties(make([]byte, MaxText+1))
	require.Error(t, err)
}

func TestChooseAddress(t *testing.T) {
	addr := func(texts ...string) []net.Addr {
		var list []net.Addr
		for _, text := range texts {
			ip, n, err := net.ParseCIDR(text)
			require.NoError(t, err)
			list = append(list, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return list
	}
	ip, ok := choose(addr("127.0.0.1/8", "fe80::1/64", "2001:db8::1/64", "192.168.1.2/24", "172.16.0.4/16", "172.16.0.5/16"))
	require.True(t, ok)
	require.Equal(t, "172.16.0.4", ip.String())
	_, ok = choose(addr("127.0.0.1/8", "::1/128"))
	require.False(t, ok)
}

func TestNearest(t *testing.T) {
	names := []string{"listenPort", "haListenPort", "brokerName", "traceOn"}
	require.Equal(t, "listenPort", nearest("listnePort", names))
	require.Equal(t, "brokerName", nearest("BROKERNAME", names))
	require.Empty(t, nearest("completelyOther", names))
	require.Empty(t, nearest(strings.Repeat("x", 1000), names))
	require.Equal(t, 1, distance("ab", "ba"))
	require.Equal(t, 3, distance("", "abc"))
}

func FuzzParseBroker(f *testing.F) {
	for _, seed := range []string{"brokerName=a", "a\\\n b", "\\u12", "x=${x}", "#c\r!d\n:=\n", "listenPort=\xff", "=\n=="} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, _, err := ParseBroker("f", data, testHost)
		if err == nil {
			_, _, err = ParseBroker("f", []byte("x=1\n"+b.Properties()), testHost)
			require.Error(t, err)
		}
	})
}
