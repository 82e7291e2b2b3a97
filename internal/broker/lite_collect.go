package broker

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aerobee/aerobee/internal/broker/offsets"
	"github.com/aerobee/aerobee/internal/protocol"
)

func liteDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("aerobee_lite_"+name, help, nil, nil)
}

// Descriptions of the metrics of light queues and lite topics.
var (
	descLiteQueues        = liteDesc("queues", "Light queues, those of lite topics and others.")
	descLiteSubscriptions = liteDesc("subscriptions", "Pairs of a client and a lite topic.")
	descLiteOut           = liteDesc("queues_out", "Pairs of a group and a lite topic with messages that are handed out.")
	descLiteEvents        = liteDesc("events_total", "Lite topics that clients were told of.")
	descLiteRejected      = liteDesc("events_rejected_total", "Lite topics that a client was not told of at once because it was behind.")
	descLiteExpired       = liteDesc("expired_total", "Lite topics deleted because they were idle for as long as their parent says.")
	descLiteUnconsumed    = liteDesc("expired_unconsumed_messages_total", "Messages in them that a group bound to the parent had not consumed.")
)

// collectLite gives the metrics of lite topics. They have no series of their own,
// since there may be a million of them; a group's lag is that in all lite topics of
// the parent, if it is wanted at all (liteLagCountMetricsEnable).
func (c collector) collectLite(ch chan<- prometheus.Metric) {
	s := c.b.lite.Stats()
	gauge(ch, descLiteQueues, float64(s.Queues))
	gauge(ch, descLiteSubscriptions, float64(s.Subscriptions))
	gauge(ch, descLiteOut, float64(s.Orders))
	counter(ch, descLiteEvents, s.Events)
	counter(ch, descLiteRejected, s.Rejected)
	counter(ch, descLiteExpired, s.Expired)
	counter(ch, descLiteUnconsumed, s.Unconsumed)
	if !c.b.config().LiteLagMetrics {
		return
	}
	lags, left := make(map[offsets.Pair]int64), maxLagQueues
	for _, k := range c.b.offsets.Pairs() {
		parent, _, ok := protocol.SplitLiteQueueName(k.Topic)
		if !ok {
			continue
		}
		if left--; left < 0 {
			break
		}
		at, known := c.b.offsets.Query(k.Group, k.Topic, 0)
		if lag := c.b.store.MaxOffset(k.Topic, 0) - at; known && lag > 0 {
			lags[offsets.Pair{Group: k.Group, Topic: parent}] += lag
		}
	}
	for k, lag := range lags {
		gauge(ch, descLag, float64(lag), k.Group, k.Topic, "false", strconv.FormatBool(c.b.isSystem(k.Topic, k.Group)))
	}
}
