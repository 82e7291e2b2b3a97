package meta

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestGroupsAreMadeOnFirstUse(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	require.Equal(t, 8, f.groups.Len())
	_, ok := f.groups.Peek("g")
	require.False(t, ok)
	g, ok := f.groups.Find("g")
	require.True(t, ok)
	require.Equal(t, int32(16), g.RetryMaxTimes)
	require.True(t, g.ConsumeEnable)
	again, _ := f.groups.Find("g")
	require.Same(t, g, again)
	for _, name := range []string{"", "a b", "../g"} {
		_, ok = f.groups.Find(name)
		require.False(t, ok, "%q", name)
	}
	f.broker.AutoCreateGroup = false
	_, ok = f.groups.Find("h")
	require.False(t, ok)
	_, ok = f.groups.Find("CID_RMQ_SYS_x")
	require.True(t, ok)
	f.broker.CreateSysGroup = false
	_, ok = f.groups.Find("CID_RMQ_SYS_y")
	require.False(t, ok)
}

func TestGroupsFile(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	c := protocol.NewSubscriptionGroupConfig("g")
	c.RetryMaxTimes = 3
	c.Attributes = map[string]string{"+priority.factor": "50"}
	require.NoError(t, f.groups.Update([]*protocol.SubscriptionGroupConfig{&c}))
	f.groups.SetReadable("g", "t", false)
	f.saved()
	f.open()
	g, ok := f.groups.Peek("g")
	require.True(t, ok)
	require.Equal(t, int32(3), g.RetryMaxTimes)
	require.Equal(t, map[string]string{"priority.factor": "50"}, g.Attributes)
	require.False(t, f.groups.Readable("g", "t"))
	require.True(t, f.groups.Readable("g", "u"))

	version, _ := f.groups.Snapshot()
	c.Attributes = nil
	require.NoError(t, f.groups.Update([]*protocol.SubscriptionGroupConfig{&c}))
	f.groups.SetReadable("g", "t", false)
	same, _ := f.groups.Snapshot()
	require.Equal(t, version, same, "nothing changed")
	require.True(t, f.groups.Delete("g"))
	require.True(t, f.groups.Readable("g", "t"))
	require.False(t, f.groups.Delete("g"))
}

func TestGroupUpdatesAreChecked(t *testing.T) {
	f := newFixture(t, vfs.NewMem())
	for _, c := range []struct {
		name       string
		attributes map[string]string
		code       protocol.ResponseCode
	}{
		{"", nil, protocol.RespInvalidParameter},
		{"a/b", nil, protocol.RespInvalidParameter},
		{"g", map[string]string{"+priority.factor": "101"}, protocol.RespSystemError},
		{"g", map[string]string{"priority.factor": "1"}, protocol.RespSystemError},
		{"g", map[string]string{"+lite.sub.model": "Mine"}, protocol.RespSystemError},
		{"g", map[string]string{"+a+b": "1"}, protocol.RespSystemError},
	} {
		fine, bad := protocol.NewSubscriptionGroupConfig("fine"), protocol.NewSubscriptionGroupConfig(c.name)
		bad.Attributes = c.attributes
		err := f.groups.Update([]*protocol.SubscriptionGroupConfig{&fine, &bad})
		var e *protocol.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.code, e.Code, "%v", c)
		_, ok := f.groups.Peek("fine")
		require.False(t, ok)
	}
}

func TestParseAttributes(t *testing.T) {
	for _, c := range []struct {
		in   string
		want map[string]string
		err  string
	}{
		{"", nil, ""},
		{"+a=1,+b=,-c", map[string]string{"+a": "1", "+b": "", "-c": ""}, ""},
		{"a=1", nil, "add/alter attribute format is wrong: a"},
		{"+a", nil, "delete attribute format is wrong: +a"},
		{"+a=1,+a=2", nil, "key duplication: +a"},
	} {
		got, err := ParseAttributes(c.in)
		if c.err != "" {
			require.EqualError(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func FuzzGroupsFile(f *testing.F) {
	f.Add([]byte(`{"dataVersion":{"counter":1},"forbiddenTable":{"g":{"t":4}},"subscriptionGroupTable":{"g":{"groupName":"g"}}}`))
	f.Add([]byte(`{"subscriptionGroupTable":{"":null,"x":null},"forbiddenTable":{"g":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		groups, err := OpenGroups(Config{
			FS: vfs.NewMem(), Dir: dir, Config: config.DefaultBroker, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		require.NoError(t, err)
		if groups.load(data) == nil {
			require.NoError(t, groups.load(written(t, groups.write)))
		}
	})
}

func FuzzParseAttributes(f *testing.F) {
	f.Add("+a=1,-b")
	f.Add(",,=")
	f.Fuzz(func(t *testing.T, s string) {
		update, err := ParseAttributes(s)
		if err == nil {
			_, _ = alterAttributes(topicAttributes, true, nil, update)
			_, _ = alterAttributes(topicAttributes, false, map[string]string{protocol.TopicAttrMessageType: "FIFO"}, update)
		}
	})
}
