package meta

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "/store"

// fixture is a pair of tables on a file system in memory.
type fixture struct {
	t      *testing.T
	fs     *vfs.Mem
	broker *config.Broker
	topics *Topics
	groups *Groups
	told   [][]string
}

func newFixture(t *testing.T, fs *vfs.Mem) *fixture {
	f := &fixture{t: t, fs: fs, broker: config.DefaultBroker()}
	f.broker.BrokerClusterName, f.broker.BrokerName = "C", "b"
	f.open()
	return f
}

// written is what one of the tables writes into its file.
func written(t *testing.T, write func(io.Writer) error) []byte {
	var out bytes.Buffer
	require.NoError(t, write(&out))
	return out.Bytes()
}

func (f *fixture) open() {
	cfg := Config{
		FS: f.fs, Dir: dir, Config: func() *config.Broker { return f.broker }, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) },
		OnChange: func(changed []*protocol.TopicConfig) {
			var names []string
			for _, c := range changed {
				names = append(names, c.TopicName)
			}
			f.told = append(f.told, names)
		},
	}
	var err error
	f.topics, err = OpenTopics(cfg)
	require.NoError(f.t, err)
	f.groups, err = OpenGroups(cfg)
	require.NoError(f.t, err)
}

// saved makes the files complete.
func (f *fixture) saved() {
	require.NoError(f.t, f.topics.Close())
	require.NoError(f.t, f.groups.Close())
}

func (f *fixture) lookup(topic string) *protocol.TopicConfig {
	c, ok := f.topics.Lookup(topic)
	require.True(f.t, ok, topic)
	return c
}

func TestBuiltInTopics(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	for _, c := range []struct {
		name   string
		queues int32
		perm   int32
	}{
		{"TBW102", 8, 7},
		{"SCHEDULE_TOPIC_XXXX", 18, 6},
		{"BenchmarkTest", 1024, 6},
		{"SELF_TEST_TOPIC", 1, 6},
		{"OFFSET_MOVED_EVENT", 1, 6},
		{"RMQ_SYS_TRANS_HALF_TOPIC", 1, 6},
		{"RMQ_SYS_TRANS_OP_HALF_TOPIC", 1, 6},
		{"RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", 1, 6},
		{"RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC", 1, 6},
		{"C", 16, 7},
		{"b", 1, 7},
		{"C_REPLY_TOPIC", 1, 6},
		{"rmq_sys_REVIVE_LOG_C", 8, 6},
		{"rmq_sys_SYNC_BROKER_MEMBER_b", 1, 1},
		{"rmq_sys_wheel_timer", 1, 6},
	} {
		topic := f.lookup(c.name)
		require.Equal(t, c.queues, topic.WriteQueueNums, c.name)
		require.Equal(t, c.perm, topic.Perm, c.name)
		require.True(t, f.topics.IsSystem(c.name), c.name)
	}
	require.Equal(t, 15, f.topics.Len())
	require.False(t, f.topics.IsSystem("t"))
	require.Equal(t, []string{
		"TBW102", "SCHEDULE_TOPIC_XXXX", "BenchmarkTest", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
		"RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC",
		"SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "RMQ_SYS_TRACE_TOPIC", "CHECKPOINT_TOPIC", "rmq_sys_REVIVE_LOG_C",
		"rmq_sys_wheel_timer", "rmq_sys_SYNC_BROKER_MEMBER_b", "C_REPLY_TOPIC", "C", "b",
	}, f.topics.SystemNames(), "in Java's order")
}

func TestAutoCreation(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	before := f.topics.Version()
	c, err := f.topics.CreateInSend("t", "TBW102", 4, 1)
	require.NoError(t, err)
	require.Equal(t, int32(4), c.WriteQueueNums)
	require.Equal(t, int32(6), c.Perm)
	require.Equal(t, int32(1), c.TopicSysFlag)
	require.Positive(t, f.topics.Version().Compare(before))
	again, err := f.topics.CreateInSend("t", "TBW102", 8, 0)
	require.NoError(t, err)
	require.Same(t, c, again)
	require.Equal(t, [][]string{{"t"}}, f.told)

	c, err = f.topics.CreateInSend("many", "TBW102", 100, 0)
	require.NoError(t, err)
	require.Equal(t, int32(8), c.WriteQueueNums, "as many as the template has")
	for topic, template := range map[string]string{"u": "t", "v": "no-such-topic", "a b": "TBW102", "../x": "TBW102"} {
		_, err = f.topics.CreateInSend(topic, template, 4, 0)
		require.Error(t, err, topic)
	}
	f.broker.AutoCreateTopic = false
	_, err = f.topics.CreateInSend("w", "TBW102", 4, 0)
	require.ErrorContains(t, err, "autoCreateTopicEnable")
	_, err = f.topics.CreateInSend("w", "C", 4, 0)
	require.NoError(t, err, "other templates stay")
}

func TestRetryTopicsFollowTheOrderFlag(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	for _, order := range []bool{false, true, true, false} {
		c, err := f.topics.EnsureRetry("%RETRY%g", 2, 0, order)
		require.NoError(t, err)
		require.Equal(t, order, c.Order)
		require.Equal(t, int32(2), c.ReadQueueNums)
	}
	require.Len(t, f.told, 3)
}

func TestAdminUpdate(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	topic := func(name string, attributes map[string]string) *protocol.TopicConfig {
		c := protocol.NewTopicConfig(name)
		c.Attributes = attributes
		return &c
	}
	changed, err := f.topics.Update([]*protocol.TopicConfig{topic("t", map[string]string{"+message.type": "FIFO"}), topic("u", nil)})
	require.NoError(t, err)
	require.Len(t, changed, 2)
	require.Equal(t, map[string]string{"message.type": "FIFO"}, f.lookup("t").Attributes)

	version := f.topics.Version()
	changed, err = f.topics.Update([]*protocol.TopicConfig{topic("t", nil)})
	require.NoError(t, err)
	require.Empty(t, changed)
	require.Equal(t, version, f.topics.Version(), "nothing changed")

	wider := topic("t", map[string]string{"-message.type": ""})
	wider.WriteQueueNums = 20
	changed, err = f.topics.Update([]*protocol.TopicConfig{topic("u", nil), wider})
	require.NoError(t, err)
	require.Len(t, changed, 1, "the topic that is as wanted does not stop the others")
	require.Empty(t, f.lookup("t").Attributes)
	require.Equal(t, int32(20), f.lookup("t").WriteQueueNums)
}

func TestAdminUpdateIsChecked(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	for _, c := range []struct {
		name   string
		change func(*protocol.TopicConfig)
		code   protocol.ResponseCode
		remark string
	}{
		{"", nil, 29, "The specified topic is blank."},
		{"a/b", nil, 29, "The specified topic: a/b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"},
		{strings.Repeat("x", 128), nil, 29, "The specified topic: " + strings.Repeat("x", 128) + ", is longer than topic max length: 127"},
		{"TBW102", nil, 29, "The topic[TBW102] is conflict with system topic."},
		{"rmq_sys_x", nil, 29, "The topic[rmq_sys_x] is conflict with system topic."},
		{"t", func(c *protocol.TopicConfig) { c.WriteQueueNums = -1 }, 29, "topic t: readQueueNums 16 and writeQueueNums -1 must be between 0 and 1048576"},
		{"t", func(c *protocol.TopicConfig) { c.Perm = 16 }, 29, "topic t: perm 16 is not a sum of 8 (priority), 4 (read), 2 (write) and 1 (inherit)"},
		{"t", func(c *protocol.TopicConfig) { c.Attributes = map[string]string{"+message.type": "MIXED"} }, 29, "MIXED message type is not supported."},
		{"t", func(c *protocol.TopicConfig) { c.Attributes = map[string]string{"+foo": "x"} }, 1, "unsupported key: foo"},
		{"t", func(c *protocol.TopicConfig) { c.Attributes = map[string]string{"-message.type": ""} }, 1, "only add attribute is supported while creating topic. key: message.type"},
		{"old", func(c *protocol.TopicConfig) { c.Attributes = map[string]string{"+queue.type": "BatchCQ"} }, 1, "attempt to update an unchangeable attribute. key: queue.type"},
		{"old", func(c *protocol.TopicConfig) { c.Attributes = map[string]string{"-message.type": ""} }, 1, "attempt to delete a nonexistent key: message.type"},
		{"old", func(c *protocol.TopicConfig) { c.Attributes = map[string]string{"+message.type": "X"} }, 1, "message.type=X: value is not in set: [UNSPECIFIED, NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY, LITE, MIXED]"},
	} {
		_, err := f.topics.CreateInSend("old", "TBW102", 4, 0)
		require.NoError(t, err)
		first, second := protocol.NewTopicConfig("fine"), protocol.NewTopicConfig(c.name)
		if c.change != nil {
			c.change(&second)
		}
		_, err = f.topics.Update([]*protocol.TopicConfig{&first, &second})
		var e *protocol.Error
		require.ErrorAs(t, err, &e, c.remark)
		require.Equal(t, &protocol.Error{Code: c.code, Remark: c.remark}, e)
		_, ok := f.topics.Lookup("fine")
		require.False(t, ok, "nothing is applied")
	}
}

func TestFileSurvives(t *testing.T) {
	mem := vfs.NewMem()
	f := newFixture(t, mem)
	_, err := mem.Stat(dir + "/config/topics.json")
	require.Error(t, err, "built-in topics alone are not written")
	_, err = f.topics.CreateInSend("t", "TBW102", 4, 0)
	require.NoError(t, err)
	edited := protocol.NewTopicConfig("C") // what a file says of a built-in topic wins
	edited.Perm = 1
	f.topics.mu.Lock()
	f.topics.putLocked(&edited)
	f.topics.mu.Unlock()
	f.saved()
	version := f.topics.Version()
	f.open()
	require.Equal(t, version, f.topics.Version())
	require.Equal(t, int32(4), f.lookup("t").ReadQueueNums)
	require.Equal(t, int32(1), f.lookup("C").Perm)
	require.True(t, f.topics.Delete("t"))
	require.False(t, f.topics.Delete("t"))
	f.saved()
	f.open()
	_, ok := f.topics.Lookup("t")
	require.False(t, ok)
	require.Equal(t, 15, f.topics.Len())
}

func TestSyncIsDurable(t *testing.T) {
	mem := vfs.NewMem()
	f := newFixture(t, mem)
	_, err := f.topics.CreateInSend("t", "TBW102", 4, 0)
	require.NoError(t, err)
	require.NoError(t, f.topics.Sync())
	f.fs = mem.Crash(rand.New(rand.NewPCG(1, 2)))
	f.open()
	f.lookup("t")
}

// TestChangesSurviveAKill makes every kind of change and opens the tables from
// their journals, and then from the files of a clean stop alone.
func TestChangesSurviveAKill(t *testing.T) {
	mem := vfs.NewMem()
	f := newFixture(t, mem)
	for _, name := range []string{"kept", "gone", "ordered"} {
		_, err := f.topics.CreateInSend(name, "TBW102", 4, 0)
		require.NoError(t, err)
	}
	f.topics.SetOrdered([]string{"ordered"})
	require.True(t, f.topics.Delete("gone"))
	require.True(t, f.topics.Delete("BenchmarkTest"))
	f.topics.Touch()
	for _, name := range []string{"kept", "gone"} {
		_, ok := f.groups.Find(name)
		require.True(t, ok)
	}
	f.groups.SetReadable("kept", "t", false)
	f.groups.SetReadable("gone", "t", false)
	f.groups.SetReadable("mended", "t", false)
	f.groups.SetReadable("mended", "t", true)
	require.True(t, f.groups.Delete("gone"))
	require.NoError(t, f.topics.Sync())
	require.NoError(t, f.groups.Sync())
	_, err := mem.Stat(dir + "/config/topics.json")
	require.ErrorIs(t, err, os.ErrNotExist, "nothing is written as a whole")
	wantTopics, wantGroups := f.topics.Version(), written(t, f.groups.write)
	for _, after := range []string{"a kill", "a clean stop"} {
		if after == "a clean stop" {
			f.saved()
		}
		f.fs = mem.Crash(rand.New(rand.NewPCG(3, 4)))
		f.open()
		require.Equal(t, wantTopics, f.topics.Version(), after)
		require.True(t, f.lookup("ordered").Order, after)
		f.lookup("kept")
		f.lookup("BenchmarkTest") // a built-in topic comes back
		_, ok := f.topics.Lookup("gone")
		require.False(t, ok, after)
		require.Equal(t, string(wantGroups), string(written(t, f.groups.write)), after)
		require.Equal(t, map[string]map[string]int32{"kept": {"t": protocol.ForbiddenRead}}, f.groups.Forbidden(), after)
		f.fs = mem
		f.open()
	}
}

// TestMemoryOfTopics keeps what the doc comment of Topics says.
func TestMemoryOfTopics(t *testing.T) {
	const n = 50_000
	topics, err := OpenTopics(Config{
		FS: vfs.OS, Dir: t.TempDir(), Config: config.DefaultBroker, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	require.NoError(t, err)
	before := heap()
	for i := range n {
		_, err := topics.CreateInSendBack(fmt.Sprintf("topic-of-some-%06d", i), 8, permRW, 0)
		require.NoError(t, err)
	}
	require.NoError(t, topics.journal.Close())
	each := (heap() - before) / n
	t.Log(each, "bytes")
	require.Less(t, each, int64(250))
	require.Equal(t, n+len(builtInTopics(config.DefaultBroker())), topics.Len())
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestFileOfJava(t *testing.T) {
	mem := vfs.NewMem()
	data := `{
	"dataVersion":{"counter":7,"stateVersion":0,"timestamp":1795217902233},
	"topicConfigTable":{
		"B1":{"attributes":{"queue.type":"BatchCQ"},"order":false,"perm":6,"readQueueNums":1,"topicFilterType":"SINGLE_TAG","topicName":"B1","topicSysFlag":0,"writeQueueNums":1},
		"bare":{"topicName":"bare"}
	}
}`
	require.NoError(t, vfs.ReplaceFile(mem, dir+"/config/topics.json", []byte(data)))
	f := newFixture(t, mem)
	require.Equal(t, protocol.DataVersion{Counter: 7, Timestamp: 1795217902233}, f.topics.Version())
	require.Equal(t, map[string]string{"queue.type": "BatchCQ"}, f.lookup("B1").Attributes)
	bare := f.lookup("bare")
	require.Equal(t, int32(16), bare.ReadQueueNums)
	require.Equal(t, int32(6), bare.Perm)
	var out map[string]any
	require.NoError(t, javajson.Unmarshal(written(t, f.topics.write), &out))
}

func TestUnreadableFileStopsTheStart(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, vfs.ReplaceFile(mem, dir+"/config/topics.json", []byte("{")))
	_, err := OpenTopics(Config{FS: mem, Dir: dir, Config: config.DefaultBroker, Log: slog.Default(), Now: time.Now})
	require.ErrorContains(t, err, "topics.json")
}

func TestPages(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	version, all := f.topics.Snapshot()
	current := string(javajson.Marshal(&version))
	page := func(p Page) (from, n int) {
		v, list, total := f.topics.Page(p)
		require.Equal(t, version, v)
		require.Equal(t, len(all), total)
		for i, c := range all {
			if len(list) > 0 && c == list[0] {
				return i, len(list)
			}
		}
		return -1, len(list)
	}
	for _, c := range []struct {
		p       Page
		from, n int
	}{
		{Page{Max: 4}, 0, 4},
		{Page{From: 4, Max: 4, Version: current}, 4, 4},
		{Page{From: 4, Max: 4}, 0, 4},
		{Page{From: 4, Max: 4, Version: `{"counter":9}`}, 0, 4},
		{Page{From: 4, Max: 4, Version: "rubbish"}, 0, 4},
		{Page{From: 12, Max: 4, Version: current}, 12, 3},
		{Page{From: 7, Max: 7, Version: current}, 7, 8}, // one left would be lost
		{Page{From: 99, Max: 4, Version: current}, -1, 0},
		{Page{From: -1, Max: -1}, -1, 0},
	} {
		from, n := page(c.p)
		require.Equal(t, c.from, from, "%+v", c.p)
		require.Equal(t, c.n, n, "%+v", c.p)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, ok := f.topics.Lookup("TBW102"); !ok {
			t.Fatal("lost")
		}
		if _, ok := f.groups.Find("TOOLS_CONSUMER"); !ok {
			t.Fatal("lost")
		}
	}))
}

func FuzzTopicsFile(f *testing.F) {
	f.Add([]byte(`{"dataVersion":{"counter":1},"topicConfigTable":{"t":{"topicName":"t"}}}`))
	f.Add([]byte(`{"topicConfigTable":{"":null,"x":null}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		topics, err := OpenTopics(Config{
			FS: vfs.NewMem(), Dir: dir, Config: config.DefaultBroker, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		require.NoError(t, err)
		if topics.load(data) == nil {
			require.NoError(t, topics.load(written(t, topics.write)))
		}
	})
}

// TestFilesOfJavaRoundTrip reads what a Java broker wrote and writes it again. Only
// the order of the names in a table is ours.
func TestFilesOfJavaRoundTrip(t *testing.T) {
	mem := vfs.NewMem()
	golden := map[string][]byte{}
	for _, name := range []string{"topics.json", "subscriptionGroup.json"} {
		data, err := os.ReadFile("testdata/java/" + name)
		require.NoError(t, err)
		golden[name] = data
		require.NoError(t, vfs.ReplaceFile(mem, dir+"/config/"+name, data))
	}
	f := newFixture(t, mem)
	f.topics.Delete("C") // the built-in topics of the fixture's own names
	for _, name := range []string{"b", "C_REPLY_TOPIC", "rmq_sys_REVIVE_LOG_C", "rmq_sys_SYNC_BROKER_MEMBER_b"} {
		f.topics.Delete(name)
	}
	f.topics.mu.version = protocol.DataVersion{Counter: 6, Timestamp: 1795247299157}
	for name, got := range map[string][]byte{"topics.json": written(t, f.topics.write), "subscriptionGroup.json": written(t, f.groups.write)} {
		want := slices.Sorted(strings.Lines(strings.TrimSpace(string(golden[name])) + "\n"))
		have := slices.Sorted(strings.Lines(strings.TrimSpace(string(got)) + "\n"))
		for i := range want { // the last entry of a table has no comma
			want[i] = strings.TrimRight(want[i], ",\n")
		}
		for i := range have {
			have[i] = strings.TrimRight(have[i], ",\n")
		}
		slices.Sort(want)
		slices.Sort(have)
		require.Equal(t, want, have, name)
	}
}
