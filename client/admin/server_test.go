package admin

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// fakeAnswer is one of a series of answers.
type fakeAnswer struct {
	header any
	body   string
}

// serve answers with one after the other, and then with the last.
func serve(b *fake.Broker, answers []*fakeAnswer) {
	n := atomic.Int32{}
	b.Handle(protocol.ReqGetAllSubscriptionGroupConfig, func(context.Context, *remoting.Command) *remoting.Command {
		a := answers[min(int(n.Add(1))-1, len(answers)-1)]
		return fake.OK(a.header, []byte(a.body))
	})
}

// sent stores a message at broker-a and reads it.
func sent(t *testing.T, f *fake.Cluster, c *Client) (*client.MessageView, error) {
	f.Broker("broker-a").Put(message.Message{Topic: "T", Body: []byte("x")})
	return c.MessageByOffset(t.Context(), client.Queue{Topic: "T", Broker: "broker-a"}, 0, "")
}

func TestBrokerConfiguration(t *testing.T) {
	f, c := setup(t)
	for _, name := range []string{"broker-a", "broker-b"} {
		f.Broker(name).Handle(protocol.ReqGetBrokerConfig, raw("brokerName="+name+"\nmessageDelayLevel=1s 5s\n"))
		f.Broker(name).Handle(protocol.ReqUpdateBrokerConfig, raw(""))
	}
	configs, err := c.BrokerConfigs(t.Context(), Target{Cluster: "DefaultCluster"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"brokerName": "broker-b", "messageDelayLevel": "1s 5s"}, configs[1].Values)
	done, err := c.UpdateBrokerConfig(t.Context(), Target{Broker: f.Broker("broker-a").Addr}, "flushDiskType", "SYNC_FLUSH")
	require.NoError(t, err)
	require.Len(t, done, 1)
	require.Equal(t, "flushDiskType=SYNC_FLUSH\n", string(f.Broker("broker-a").Seen(protocol.ReqUpdateBrokerConfig)[0].Body))
}

func TestNameservers(t *testing.T) {
	f, _ := setup(t)
	second := fake.NewServer(t)
	c, err := New(WithNameservers(f.Namesrv.Addr, second.Addr))
	require.NoError(t, err)
	defer c.Close()
	ctx := t.Context()
	for _, s := range []*fake.Server{f.Namesrv, second} {
		s.Handle(protocol.ReqGetNamesrvConfig, raw("listenPort=9876\n"))
		s.Handle(protocol.ReqUpdateNamesrvConfig, raw(""))
		s.Handle(protocol.ReqPutKVConfig, raw(""))
		s.Handle(protocol.ReqWipeWritePermOfBroker, fake.Answer(fake.OK(&protocol.WipeWritePermOfBrokerResponse{WipeTopicCount: 3}, nil)))
		s.Handle(protocol.ReqAddWritePermOfBroker, fake.Answer(fake.OK(&protocol.AddWritePermOfBrokerResponse{AddTopicCount: 4}, nil)))
	}
	configs, err := c.NamesrvConfigs(ctx)
	require.NoError(t, err)
	require.Len(t, configs, 2)
	require.NoError(t, c.UpdateNamesrvConfig(ctx, "orderMessageEnable", "true"))
	require.Len(t, second.Seen(protocol.ReqUpdateNamesrvConfig), 1)
	require.NoError(t, c.PutKVConfig(ctx, "ns", "k", "v"))
	require.Len(t, second.Seen(protocol.ReqPutKVConfig), 1)
	counts, err := c.WipeWritePerm(ctx, "broker-a")
	require.NoError(t, err)
	require.Equal(t, []PermCount{{f.Namesrv.Addr, 3}, {second.Addr, 3}}, counts)
	second.Handle(protocol.ReqAddWritePermOfBroker, fake.Answer(fake.Refuse(protocol.RespSystemError, "no")))
	counts, err = c.AddWritePerm(ctx, "broker-a")
	require.ErrorContains(t, err, second.Addr)
	require.Equal(t, []PermCount{{f.Namesrv.Addr, 4}}, counts)
	require.ErrorContains(t, c.DeleteKVConfig(ctx, "ns", "k"), "key k of namespace ns: nameserver "+second.Addr)
}

func TestBrokerProgress(t *testing.T) {
	f, c := setup(t)
	a := f.Broker("broker-a")
	a.Handle(protocol.ReqGetBrokerConsumeStats, raw(`{"brokerAddr":"x","consumeStatsList":[{"h":[]},{"g":[`+statsOfG+`]}],"totalDiff":6,"totalInflightDiff":2}`))
	p, err := c.BrokerProgress(t.Context(), a.Addr, true)
	require.NoError(t, err)
	require.EqualValues(t, 6, p.TotalLag)
	require.Len(t, p.Groups, 2)
	require.Equal(t, "g", p.Groups[0].Group)
	require.EqualValues(t, 6, p.Groups[0].Lag)
	require.True(t, bindTo[protocol.GetConsumeStatsInBrokerRequest](t, a.Seen(protocol.ReqGetBrokerConsumeStats)[0]).IsOrder)
}

func TestTraffic(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	f.Broker("broker-a").Handle(protocol.ReqViewBrokerStatsData, func(_ context.Context, req *remoting.Command) *remoting.Command {
		name, _ := req.Ext.Get("statsName")
		if name == "TOPIC_PUT_NUMS" {
			return fake.OK(nil, []byte(`{"statsDay":{"avgpt":0.0,"sum":0,"tps":0.0},"statsHour":{"avgpt":0.0,"sum":70,"tps":0.0},"statsMinute":{"avgpt":0.0,"sum":7,"tps":2.5}}`))
		}
		return fake.OK(nil, []byte(`{"statsDay":{"sum":30},"statsMinute":{"tps":1.0}}`))
	})
	f.Broker("broker-b").Handle(protocol.ReqViewBrokerStatsData, fake.Answer(fake.Refuse(protocol.RespSystemError, "The stats <X> <Y> not exist")))
	list, err := c.Traffic(t.Context(), "T", false)
	require.NoError(t, err)
	require.Equal(t, []TopicTraffic{{Topic: "T", Group: "g", Lag: 6, InTPS: 2.5, OutTPS: 1, InDay: 70, OutDay: 30}}, list)

	for _, name := range []string{"broker-a", "broker-b"} {
		f.Broker(name).Handle(protocol.ReqQueryTopicConsumeByWho, raw(`{"groupList":[]}`))
	}
	list, err = c.Traffic(t.Context(), "", true)
	require.NoError(t, err)
	require.Equal(t, []TopicTraffic{{Topic: "T", InTPS: 2.5, InDay: 70}, {Topic: "TBW102", InTPS: 2.5, InDay: 70}}, list)
	_, err = c.Traffic(t.Context(), "Nope", false)
	require.Equal(t, client.CodeTopicNotExist, code(err))
}
