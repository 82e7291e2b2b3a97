package namesrv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer runs a nameserver on a loopback port until the test ends.
func startServer(t *testing.T, fs vfs.FS, conf string) (s *Server, addr string) {
	t.Helper()
	set, _, err := config.ParseNamesrv("namesrv.conf", []byte("bindAddress=127.0.0.1\nlistenPort=0\nkvConfigPath="+kvPath+"\n"+conf), config.Host{Home: "."})
	require.NoError(t, err)
	s = New(Config{Namesrv: set, FS: fs})
	at, err := s.Listen()
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, <-ended)
		s.Close()
	})
	return s, at.String()
}

// peer is a raw connection: what it sends and receives is compared as bytes.
type peer struct {
	t      *testing.T
	conn   net.Conn
	opaque int32
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t: t, conn: conn}
}

// readFrame returns a frame with its length.
func (p *peer) readFrame() []byte {
	var head [4]byte
	_, err := io.ReadFull(p.conn, head[:])
	require.NoError(p.t, err)
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err = io.ReadFull(p.conn, frame)
	require.NoError(p.t, err)
	return append(head[:], frame...)
}

func (p *peer) call(cmd *remoting.Command) *remoting.Command {
	p.t.Helper()
	p.opaque++
	cmd.Opaque = p.opaque
	frame, err := remoting.AppendCommand(nil, cmd)
	require.NoError(p.t, err)
	_, err = p.conn.Write(frame)
	require.NoError(p.t, err)
	var answer remoting.Command
	require.NoError(p.t, remoting.DecodeCommand(p.readFrame()[4:], &answer, new(remoting.Scratch)))
	require.Equal(p.t, p.opaque, answer.Opaque)
	return answer.Clone()
}

// ask sends a request of this version; pairs are extFields.
func (p *peer) ask(code protocol.RequestCode, body string, pairs ...string) *remoting.Command {
	p.t.Helper()
	cmd := &remoting.Command{Code: int32(code), Version: protocol.Version, Ext: remoting.Fields{}, Body: []byte(body)}
	for i := 0; i < len(pairs); i += 2 {
		cmd.Ext = append(cmd.Ext, remoting.Field{Key: pairs[i], Value: pairs[i+1]})
	}
	return p.call(cmd)
}

func (p *peer) register(broker, addr, id string, topics ...string) *remoting.Command {
	p.t.Helper()
	w := protocol.TopicConfigAndMapping{TopicConfigTable: map[string]protocol.TopicConfig{}}
	for _, topic := range topics {
		w.TopicConfigTable[topic] = protocol.TopicConfig{TopicName: topic, Perm: 7, ReadQueueNums: 8, WriteQueueNums: 8}
	}
	answer := p.ask(protocol.ReqRegisterBroker, string(javajson.Marshal(protocol.RegisterBrokerBody{TopicConfigSerializeWrapper: w})),
		"brokerName", broker, "brokerAddr", addr, "clusterName", "DefaultCluster", "haServerAddr", addr, "brokerId", id, "enableActingMaster", "true")
	require.NoError(p.t, answer.Err())
	return answer
}

// The frames of a live 5.5.0.
func TestRouteFrameIsJavas(t *testing.T) {
	_, addr := startServer(t, vfs.NewMem(), "")
	p := dial(t, addr)
	require.Error(t, p.ask(protocol.ReqRegisterBroker, plain).Err(), "required fields are missing")
	broker := dial(t, addr)
	body := `{"topicConfigSerializeWrapper":{"topicConfigTable":{"TBW102":{"topicName":"TBW102","perm":7,"readQueueNums":8,"writeQueueNums":8},"x":{"topicName":"x"}}}}`
	require.NoError(t, broker.ask(protocol.ReqRegisterBroker, body,
		"brokerName", "broker-a", "brokerAddr", "127.0.0.1:10911", "clusterName", "DefaultCluster", "haServerAddr", "127.0.0.1:10912", "brokerId", "0").Err())

	read := func(name string) []byte {
		text, err := os.ReadFile("testdata/java/" + name)
		require.NoError(t, err)
		frame, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		require.NoError(t, err)
		return frame
	}
	_, err := p.conn.Write(read("route_request.hex"))
	require.NoError(t, err)
	want := read("route_response.hex")
	require.Equal(t, string(want), string(p.readFrame()))

	old := bytes.Replace(read("route_request.hex"), []byte(`"version":513`), []byte(`"version":300`), 1)
	_, err = p.conn.Write(old)
	require.NoError(t, err)
	require.Len(t, p.readFrame(), len(want)-2)
}

// exchange is a request and what a live Java 5.5.0 nameserver answered.
type exchange struct {
	Name    string            `json:"name"`
	Code    int32             `json:"code"`
	Version int32             `json:"version"`
	Ext     map[string]string `json:"ext"`
	Body    string            `json:"body"`
	Want    struct {
		Code   int32             `json:"code"`
		Remark string            `json:"remark"`
		Ext    map[string]string `json:"ext"`
		Body   string            `json:"body"`
	} `json:"want"`
}

// differs lists where we answer otherwise on purpose.
var differs = map[string]string{
	"901":             "Java leaves a stale remark",
	"901 none":        "Java leaves a stale remark",
	"acting: members": "Java leaves a stale remark",
	"106":             "Java keeps the empty group of a refused registration",
	"304":             "Java keeps the empty group of a refused registration",
	"106 after":       "Java keeps the empty group of a refused registration",
	"318 bad":         "Java silently drops unknown keys and bad numbers",
	"319":             "more keys",
	"reg baddec":      "Java adds its stack",
	"reg missing":     "Java fails with a null pointer",
	"101 none":        "Java adds empty extFields to an error",
	"101 nv":          "Java adds empty extFields to an error",
	"reg one":         "Java adds empty extFields to an error",
	"reg crc":         "Java adds empty extFields to an error",
}

// A session of all verbs that was recorded from a live Java 5.5.0 nameserver.
func TestSessionIsAnsweredAsByJava(t *testing.T) {
	_, addr := startServer(t, vfs.NewMem(), "orderMessageEnable=true\nsupportActingMaster=true\n")
	p := dial(t, addr)
	file, err := os.Open("testdata/java/nameserver.jsonl")
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var e exchange
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		cmd := &remoting.Command{Code: e.Code, Version: e.Version, Body: []byte(e.Body)}
		for key, value := range e.Ext {
			cmd.Ext = append(cmd.Ext, remoting.Field{Key: key, Value: value})
		}
		if e.Ext != nil && cmd.Ext == nil {
			cmd.Ext = remoting.Fields{}
		}
		have := p.call(cmd)
		ext := map[string]string{}
		for _, f := range have.Ext {
			ext[f.Key] = f.Value
		}
		switch {
		case e.Name == "318 bad":
			require.Equal(t, int32(protocol.RespInvalidParameter), have.Code)
			continue
		case e.Name == "319":
			requireSubset(t, e.Want.Body, string(have.Body))
			continue
		case e.Name == "reg baddec", e.Name == "reg missing":
			require.NotZero(t, have.Code, e.Name)
			continue
		}
		require.Equal(t, e.Want.Code, have.Code, "line %d: %s: %s", n, e.Name, have.Remark)
		if _, ok := differs[e.Name]; !ok {
			require.Equal(t, e.Want.Remark, have.Remark, "line %d: %s", n, e.Name)
			require.Equal(t, e.Want.Ext == nil, have.Ext == nil, "line %d: %s: extFields", n, e.Name)
		}
		require.Equal(t, len(e.Want.Ext), len(ext), e.Name)
		for key, value := range e.Want.Ext {
			require.Equal(t, value, ext[key], "%s: %s", e.Name, key)
		}
		require.Equal(t, normal(e.Want.Body), normal(string(have.Body)), "line %d: %s", n, e.Name)
	}
	require.NoError(t, lines.Err())
}

// emptyGroup is what a refused first registration leaves in a Java nameserver.
var emptyGroup = regexp.MustCompile(`"broker-b":\{"brokerAddrs":\{\},"brokerName":"broker-b","cluster":"DefaultCluster","enableActingMaster":true\},|"broker-b",`)

// normal removes what Java leaves to the order of its hash tables.
func normal(body string) string {
	body = emptyGroup.ReplaceAllString(body, "")
	return regexp.MustCompile(`\[("[^"]*",?)+\]`).ReplaceAllStringFunc(body, func(list string) string {
		names := strings.Split(strings.Trim(list, "[]"), ",")
		slices.Sort(names)
		return "[" + strings.Join(names, ",") + "]"
	})
}

func requireSubset(t *testing.T, want, have string) {
	t.Helper()
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			require.Contains(t, "\n"+have, "\n"+line+"\n")
		}
	}
}

func (p *peer) clusters() protocol.ClusterInfo {
	p.t.Helper()
	var info protocol.ClusterInfo
	require.NoError(p.t, javajson.Unmarshal(p.ask(protocol.ReqGetBrokerClusterInfo, "").Body, &info))
	return info
}

func TestClosedConnectionLeavesTheRoutes(t *testing.T) {
	_, addr := startServer(t, vfs.NewMem(), "")
	client, broker := dial(t, addr), dial(t, addr)
	broker.register("broker-a", "a:1", "0", "t", "u")
	broker.register("broker-b", "b:1", "0", "t", "u")
	require.Len(t, client.clusters().BrokerAddrTable, 2)
	require.NoError(t, broker.conn.Close())
	require.Eventually(t, func() bool { return len(client.clusters().BrokerAddrTable) == 0 }, 10*time.Second, time.Millisecond)
	require.Equal(t, int32(protocol.RespTopicNotExist), client.ask(protocol.ReqGetRouteInfoByTopic, "", "topic", "t").Code)
}

func TestSilentBrokerIsClosed(t *testing.T) {
	_, addr := startServer(t, vfs.NewMem(), "scanNotActiveBrokerInterval=10")
	broker := dial(t, addr)
	require.NoError(t, broker.ask(protocol.ReqRegisterBroker, "", "brokerName", "b", "brokerAddr", "b:1", "clusterName", "c",
		"haServerAddr", "b:2", "brokerId", "0", "heartbeatTimeoutMillis", "30").Err())
	_, err := broker.conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.Empty(t, dial(t, addr).clusters().BrokerAddrTable)
}

func TestBrokersHearOfTheSmallestID(t *testing.T) {
	_, addr := startServer(t, vfs.NewMem(), "notifyMinBrokerIdChanged=true\n")
	heard := make(chan protocol.NotifyMinBrokerIDChangeRequest, 1)
	slave := remoting.NewServer(remoting.ServerConfig{Handler: func(c *remoting.Call) error {
		h, err := header[protocol.NotifyMinBrokerIDChangeRequest](c)
		if err == nil && c.Oneway() && c.Code == int32(protocol.ReqNotifyMinBrokerIDChange) {
			heard <- h
		}
		return err
	}})
	at, err := slave.Listen("127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- slave.Serve(ctx) }()
	defer func() { cancel(); slave.Close(); <-ended }()

	p := dial(t, addr)
	p.register("broker-a", "m:1", "0", "t", "u")
	p.register("broker-a", at.String(), "1", "t", "u")
	p.ask(protocol.ReqUnregisterBroker, "", "brokerName", "broker-a", "brokerAddr", "m:1", "clusterName", "DefaultCluster", "brokerId", "0")
	h := <-heard
	require.Equal(t, protocol.NotifyMinBrokerIDChangeRequest{
		MinBrokerID: protocol.Some(int64(1)), MinBrokerAddr: at.String(), OfflineBrokerAddr: "m:1",
	}, h)
}

func TestStateSurvivesRestart(t *testing.T) {
	fs := vfs.NewMem()
	t.Run("first", func(t *testing.T) {
		_, addr := startServer(t, fs, "")
		p := dial(t, addr)
		require.NoError(t, p.ask(protocol.ReqPutKVConfig, "", "namespace", "n", "key", "k", "value", "v").Err())
		require.NoError(t, p.ask(protocol.ReqUpdateNamesrvConfig, "enableAllTopicList=false\n").Err())
		require.Equal(t, "disable", p.ask(protocol.ReqGetAllTopicListFromNameServer, "").Remark)
		require.Equal(t, int32(protocol.RespInvalidParameter), p.ask(protocol.ReqUpdateNamesrvConfig, "listenPort=1\n").Code)
		require.Equal(t, int32(protocol.RespNoPermission), p.ask(protocol.ReqUpdateNamesrvConfig, "rocketmqHome=/\n").Code)
	})
	t.Run("second", func(t *testing.T) {
		_, addr := startServer(t, fs, "")
		p := dial(t, addr)
		value, _ := p.ask(protocol.ReqGetKVConfig, "", "namespace", "n", "key", "k").Ext.Get("value")
		require.Equal(t, "v", value)
		require.Equal(t, "disable", p.ask(protocol.ReqGetAllTopicListFromNameServer, "").Remark)
	})
}

func TestNotReadyAfterStart(t *testing.T) {
	_, addr := startServer(t, vfs.NewMem(), "needWaitForService=true\n")
	answer := dial(t, addr).ask(protocol.ReqGetRouteInfoByTopic, "", "topic", "t")
	require.Equal(t, int32(protocol.RespSystemError), answer.Code)
	require.Equal(t, "name server not ready", answer.Remark)
}

func TestCompressedRegistration(t *testing.T) {
	s, addr := startServer(t, vfs.NewMem(), "")
	p := dial(t, addr)
	body := packed(t, versionJSON, 2, "T 8 4 6 SINGLE_TAG {}", "U 1 1 6 SINGLE_TAG {}", "[]", 0)
	// As Java's brokers send it: compressed, but not saying so.
	require.NoError(t, p.ask(protocol.ReqRegisterBroker, string(body), "brokerName", "b", "brokerAddr", "b:1", "clusterName", "c",
		"haServerAddr", "b:2", "brokerId", "0", "compressed", "false").Err())
	require.Equal(t, Sizes{Topics: 2, Groups: 1, Clusters: 1, Processes: 1}, s.Sizes())
}

func TestListenFailures(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	set, _, err := config.ParseNamesrv("f", []byte("bindAddress=127.0.0.1\nlistenPort="+port), config.Host{Home: "."})
	require.NoError(t, err)
	s := New(Config{Namesrv: set, FS: vfs.NewMem()})
	_, err = s.Listen()
	require.ErrorContains(t, err, "nameserver")
	s.Close()

	fs := vfs.NewMem()
	require.NoError(t, vfs.ReplaceFile(fs, set.KVConfigPath, []byte("x")))
	s = New(Config{Namesrv: set, FS: fs})
	_, err = s.Listen()
	require.ErrorContains(t, err, "key-value")
	s.Close()
}
