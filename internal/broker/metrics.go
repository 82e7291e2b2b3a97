package broker

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aerobee/aerobee/internal/protocol"
)

// heldPull is the time after which a pull's answer counts as that of a held
// request (label is_long_polling).
const heldPull = 50 * time.Millisecond

// metrics are the broker's metrics under Java's names (admin.md 6.1). What the hot
// paths count lives in package stats and is read when somebody asks (collect.go);
// only request times are counted here.
type metrics struct {
	rpc          *prometheus.HistogramVec
	topicsMade   *prometheus.HistogramVec
	groupsMade   *prometheus.HistogramVec
	lateness     prometheus.Histogram
	rpcObservers sync.Map                                      // rpcKey -> prometheus.Observer
	rpcHot       [lowCodes]atomic.Pointer[prometheus.Observer] // of the successful ones that were not held
	served       map[protocol.RequestCode]bool
}

// Codes that peers choose freely must not make series without bound: requests that
// nobody serves count as unserved, answers relayed from clients beyond maxResponse
// as SYSTEM_ERROR.
const (
	unserved    protocol.RequestCode  = -1
	maxResponse protocol.ResponseCode = 4096
)

// rpcKey names a series of request times.
type rpcKey struct {
	code protocol.RequestCode
	resp protocol.ResponseCode
	held bool
}

func newMetrics(b *Broker) *metrics {
	create := []float64{10, 100, 1000, 3000, 5000}
	served := make(map[protocol.RequestCode]bool)
	for _, v := range b.verbs() {
		served[v.code] = true
	}
	return &metrics{
		served: served,
		rpc: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rocketmq_rpc_latency_milliseconds", Help: "Time from a request to its answer.",
			Buckets: []float64{1, 3, 5, 7, 10, 100, 1000, 2000, 3000},
		}, []string{"protocol_type", "request_code", "response_code", "is_long_polling", "result"}),
		topicsMade: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rocketmq_topic_create_execution_time_milliseconds", Help: "Time that an administrator's change of a topic took.", Buckets: create,
		}, []string{"invocation_status", "is_system"}),
		groupsMade: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rocketmq_consumer_group_create_execution_time_milliseconds", Help: "Time that an administrator's change of a group took.", Buckets: create,
		}, []string{"invocation_status"}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aerobee_timer_lateness_seconds", Help: "Time by which messages of the timer were stored after the moment that timerPrecisionMs allows.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
		}),
	}
}

// late counts a message that the timer delivered.
func (m *metrics) late(_ string, by time.Duration) { m.lateness.Observe(by.Seconds()) }

// RegisterMetrics adds the broker's metrics to a registry. Call it after Start.
func (b *Broker) RegisterMetrics(registry prometheus.Registerer) error {
	cfg := b.config()
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{
		"node_type": "broker", "cluster": cfg.BrokerClusterName, "node_id": cfg.BrokerName,
	}, registry)
	m := b.metrics
	for _, c := range []prometheus.Collector{m.rpc, m.topicsMade, m.groupsMade, m.lateness, collector{b}} {
		if err := labelled.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// observe counts a request that was answered.
func (m *metrics) observe(code protocol.RequestCode, resp protocol.ResponseCode, took time.Duration) {
	ms := float64(took) / float64(time.Millisecond)
	hot := resp == protocol.RespSuccess && took <= heldPull && code >= 0 && code < lowCodes
	if hot {
		if o := m.rpcHot[code].Load(); o != nil {
			(*o).Observe(ms)
			return
		}
	}
	o := m.observer(code, resp, took)
	o.Observe(ms)
	if hot {
		m.rpcHot[code].Store(&o)
	}
}

// observer finds the series of an answer.
func (m *metrics) observer(code protocol.RequestCode, resp protocol.ResponseCode, took time.Duration) prometheus.Observer {
	if !m.served[code] {
		code = unserved
	}
	if resp < 0 || resp >= maxResponse {
		resp = protocol.RespSystemError
	}
	pull := code == protocol.ReqPullMessage || code == protocol.ReqLitePullMessage
	k := rpcKey{code, resp, pull && took > heldPull}
	o, ok := m.rpcObservers.Load(k)
	if !ok {
		o, _ = m.rpcObservers.LoadOrStore(k, m.rpcObserver(k))
	}
	return o.(prometheus.Observer)
}

func (m *metrics) rpcObserver(k rpcKey) prometheus.Observer {
	result := "success"
	if k.resp == protocol.RespSystemError {
		result = "process_request_failed"
	}
	code := "unserved"
	if k.code != unserved {
		code = strings.ToLower(k.code.String())
	}
	return m.rpc.WithLabelValues("remoting", code, strings.ToLower(k.resp.String()),
		strconv.FormatBool(k.held), result)
}

func (m *metrics) topicCreated(took time.Duration, ok, system bool) {
	m.topicsMade.WithLabelValues(status(ok), strconv.FormatBool(system)).Observe(float64(took) / float64(time.Millisecond))
}

func (m *metrics) groupCreated(took time.Duration, ok bool) {
	m.groupsMade.WithLabelValues(status(ok)).Observe(float64(took) / float64(time.Millisecond))
}

func status(ok bool) string {
	if ok {
		return "success"
	}
	return "failure"
}

// versionName is a client's version as Java names it, in lower case: v5_5_0.
// Versions before 4.0 and after the last one that is known have no name.
func versionName(ordinal int32) string {
	if ordinal < 212 || ordinal >= protocol.VersionHighest {
		return "other"
	}
	base, major := int32(213), int32(4)
	if ordinal >= 412 {
		base, major = 413, 5
	}
	n := ordinal - base
	suffix := ""
	if n%2 != 0 {
		n, suffix = n+1, "_snapshot"
	}
	return "v" + strconv.Itoa(int(major)) + "_" + strconv.Itoa(int(n/20)) + "_" + strconv.Itoa(int(n%20/2)) + suffix
}
