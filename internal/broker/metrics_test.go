package broker

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

func TestMetrics(t *testing.T) {
	r, p := consumed(t)
	p.pull(pullHeader("g", "t", 0, 3))
	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "t"))
	p.ok(protocol.ReqUpdateAndCreateTopic, createHeader("u"), nil, nil)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, r.RegisterMetrics(registry))
	families, err := registry.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			require.Equal(t, "broker-a", labels["node_id"])
			require.Equal(t, "broker", labels["node_type"])
			switch {
			case m.Gauge != nil:
				got[f.GetName()+"/"+labels["topic"]] = m.Gauge.GetValue()
			case m.Counter != nil:
				got[f.GetName()+"/"+labels["topic"]] = m.Counter.GetValue()
			case m.Histogram != nil:
				got[f.GetName()+"/"+labels["topic"]] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	for name, want := range map[string]float64{
		"rocketmq_broker_permission/":                        6,
		"rocketmq_topic_number/":                             float64(r.topics.Len()),
		"rocketmq_messages_in_total/t":                       5,
		"rocketmq_message_size/t":                            5,
		"rocketmq_messages_out_total/t":                      2,
		"rocketmq_consumer_lag_messages/t":                   2,
		"rocketmq_consumer_ready_messages/t":                 0,
		"rocketmq_consumer_connections/":                     1,
		"rocketmq_consumer_group_number/":                    float64(r.groups.Len()),
		"rocketmq_storage_dispatch_behind_bytes/":            0,
		"rocketmq_topic_create_execution_time_milliseconds/": 1,
	} {
		require.Contains(t, got, name)
		require.Equal(t, want, got[name], name)
	}
	for _, name := range []string{
		"rocketmq_throughput_in_total/t", "rocketmq_throughput_out_total/t", "rocketmq_storage_size_bytes/",
		"rocketmq_rpc_latency_milliseconds/", "rocketmq_consumer_lag_latency_milliseconds/t",
	} {
		require.Contains(t, got, name)
	}
}

func TestRequestTimesAreBounded(t *testing.T) {
	m := newMetrics(&Broker{})
	for code := range int32(1000) {
		m.observe(protocol.RequestCode(100_000+code), protocol.RespRequestCodeNotSupported, 0)
		m.observe(protocol.ReqConsumeMessageDirectly, protocol.ResponseCode(1_000_000+code), 0)
	}
	n := 0
	m.rpcObservers.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 2, n)
	require.Zero(t, testing.AllocsPerRun(100, func() { m.observe(protocol.ReqSendMessage, 0, 0) }))
}

func TestVersionNames(t *testing.T) {
	for ordinal, want := range map[int32]string{
		513: "v5_5_0", 512: "v5_5_0_snapshot", 317: "v4_5_2", 413: "v5_0_0", 213: "v4_0_0", 401: "v4_9_4", -1: "other", 1 << 30: "other",
	} {
		require.Equal(t, want, versionName(ordinal))
	}
}
