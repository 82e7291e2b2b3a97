package broker

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aerobee/aerobee/internal/broker/offsets"
	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Bounds of what one look at the metrics gathers.
const (
	// maxSeries bounds the series of one metric, as Java's metricsOtelCardinalityLimit.
	maxSeries = 50_000
	// maxLagQueues bounds the queues that are looked at for the lag of groups, and
	// maxLagTimes those of which a message is read for its age. Groups come in the
	// order of their names; those beyond have no series.
	maxLagQueues = 200_000
	maxLagTimes  = 20_000
)

// collector reads the broker's state when the metrics are asked for.
type collector struct{ b *Broker }

func gaugeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("rocketmq_"+name, help, labels, nil)
}

// ownDesc describes a metric that Java's broker has not.
func ownDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("aerobee_"+name, help, labels, nil)
}

// Descriptions of the metrics that collector gives.
var (
	descPermission = gaugeDesc("broker_permission", "4 read, 2 write, added.")
	descTopics     = gaugeDesc("topic_number", "Topics of the broker.")
	descGroups     = gaugeDesc("consumer_group_number", "Consumer groups of the broker.")

	descIn      = gaugeDesc("messages_in_total", "Messages stored.", "topic", "message_type", "is_system")
	descInBytes = gaugeDesc("throughput_in_total", "Bytes of messages stored.", "topic", "message_type", "is_system")
	descSize    = gaugeDesc("message_size", "Bytes of a message stored.", "topic", "message_type", "is_system")

	descOut      = gaugeDesc("messages_out_total", "Messages handed out.", "topic", "consumer_group", "is_system", "is_retry")
	descOutBytes = gaugeDesc("throughput_out_total", "Bytes of messages handed out.", "topic", "consumer_group", "is_system", "is_retry")
	descDLQ      = gaugeDesc("send_to_dlq_messages_total", "Messages given up.", "consumer_group", "topic", "is_system")

	descProducers = gaugeDesc("producer_connections", "Connections of producers.", "language", "version", "protocol_type")
	descConsumers = gaugeDesc("consumer_connections", "Connections of consumers.",
		"language", "version", "protocol_type", "consumer_group", "consume_mode", "is_system")

	descLag          = gaugeDesc("consumer_lag_messages", "Messages not consumed.", lagLabels...)
	descLagLatency   = gaugeDesc("consumer_lag_latency_milliseconds", "Age of the oldest message not consumed.", lagLabels...)
	descInflight     = gaugeDesc("consumer_inflight_messages", "Messages handed out and not consumed.", lagLabels...)
	descReady        = gaugeDesc("consumer_ready_messages", "Messages not handed out.", lagLabels...)
	descQueueLatency = gaugeDesc("consumer_queueing_latency_milliseconds", "Age of the oldest message not handed out.", lagLabels...)

	descStoreSize    = gaugeDesc("storage_size_bytes", "Used space of the store's file system.", storageLabels...)
	descFlush        = gaugeDesc("storage_flush_behind_bytes", "Bytes written and not flushed.", storageLabels...)
	descDispatch     = gaugeDesc("storage_dispatch_behind_bytes", "Bytes written and not in the queues.", storageLabels...)
	descTimerInLag   = gaugeDesc("timer_enqueue_lag", "Messages for the timer that it has not indexed.", storageLabels...)
	descTimerOutLag  = gaugeDesc("timer_dequeue_lag", "Messages that wait in the timer.", storageLabels...)
	descTimerInTime  = gaugeDesc("timer_enqueue_latency_milliseconds", "Always 0 unless messages for the timer are not indexed: then how long its first slot is overdue.", storageLabels...)
	descTimerOutTime = gaugeDesc("timer_dequeue_latency_milliseconds", "How long the first slot of the timer that is not delivered is overdue.", storageLabels...)
	descTimerIn      = gaugeDesc("timer_enqueue_total", "Messages that the timer has indexed.", storageLabels...)
	descTimerOut     = gaugeDesc("timer_dequeue_total", "Messages that the timer has delivered, those on the way included.", storageLabels...)
	descTimerSoon    = gaugeDesc("timer_message_snapshot", "Messages due between the bound before and this one.", append(slices.Clone(storageLabels), "timer_bound_s")...)
	descTimerPending = gaugeDesc("timer_pending_messages", "Messages that wait in the timer, by topic (aerobee only).", "topic")
	descTimerLost    = gaugeDesc("timer_lost_messages_total", "Messages that were not in the log any more when they were due (aerobee only).", storageLabels...)

	descReserve = gaugeDesc("storage_message_reserve_time_milliseconds", "Age of the oldest message.", storageLabels...)

	// Open half messages by topic under Java's name; the rest has none there.
	descHalf      = gaugeDesc("half_messages", "Half messages counted in and not out.", "topic")
	descTxOpen    = prometheus.NewDesc("aerobee_transactions_open", "Half messages neither committed nor rolled back.", nil, nil)
	descTxOldest  = prometheus.NewDesc("aerobee_transaction_oldest_age_milliseconds", "Age of the oldest that is checked.", nil, nil)
	descTxChecks  = prometheus.NewDesc("aerobee_transaction_checks_total", "Questions sent to producers.", nil, nil)
	descTxUnasked = prometheus.NewDesc("aerobee_transaction_checks_unsent_total", "Questions that no producer was there for.", nil, nil)
	descTxCommits = prometheus.NewDesc("aerobee_transaction_commits_total", "Transactions committed.", nil, nil)
	descTxBacks   = prometheus.NewDesc("aerobee_transaction_rollbacks_total", "Transactions rolled back.", nil, nil)
	descTxGivenUp = prometheus.NewDesc("aerobee_transactions_given_up_total", "Half messages moved to TRANS_CHECK_MAX_TIME_TOPIC.", nil, nil)
	descTxCarried = prometheus.NewDesc("aerobee_transactions_carried_total", "Half messages stored again because they held up others.", nil, nil)

	descSuppressed = ownDesc("dedup_suppressed_total", "Messages that were known and not stored again.", "topic")
	descKnown      = ownDesc("dedup_entries", "Messages that are known.")
	descForgotten  = ownDesc("dedup_forgotten_total", "Known messages that were forgotten before their window ended, because of aerobeeDedupMaxEntries.")
)

var (
	lagLabels     = []string{"consumer_group", "topic", "is_retry", "is_system"}
	storageLabels = []string{"storage_type", "storage_medium"}
)

// Metrics of aerobee's own about groups whose members differ.
var (
	descMismatch = prometheus.NewDesc("aerobee_consumer_subscription_mismatch",
		"Topics that the members of a group subscribe to in different ways.", []string{"consumer_group"}, nil)
	descPassedOver = prometheus.NewDesc("aerobee_messages_passed_over_total",
		"Messages that one member of a group passed over and another one wants.", []string{"consumer_group", "topic"}, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descPermission, descTopics, descGroups, descIn, descInBytes, descSize, descOut, descOutBytes, descDLQ,
		descProducers, descConsumers, descLag, descLagLatency, descInflight, descReady, descQueueLatency,
		descStoreSize, descFlush, descDispatch, descReserve,
		descTimerInLag, descTimerOutLag, descTimerInTime, descTimerOutTime, descTimerIn, descTimerOut, descTimerSoon, descTimerPending, descTimerLost,
		descHalf, descTxOpen, descTxOldest, descTxChecks, descTxUnasked, descTxCommits, descTxBacks, descTxGivenUp, descTxCarried,
		descSuppressed, descKnown, descForgotten,
		descMismatch, descPassedOver,
		descLiteQueues, descLiteSubscriptions, descLiteOut, descLiteEvents, descLiteRejected, descLiteExpired, descLiteUnconsumed,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	b := c.b
	gauge(ch, descPermission, float64(b.config().BrokerPermission))
	gauge(ch, descTopics, float64(b.topics.Len()))
	gauge(ch, descGroups, float64(b.groups.Len()))
	c.collectTopics(ch)
	c.collectPairs(ch)
	c.collectConnections(ch)
	c.collectMismatches(ch)
	c.collectLags(ch)
	c.collectLite(ch)
	c.collectStore(ch)
	c.collectTimer(ch)
	c.collectTransactions(ch)
	c.collectDedup(ch)
}

func (c collector) collectTimer(ch chan<- prometheus.Metric) {
	t := c.b.timer
	if t == nil {
		return
	}
	st := t.Stats()
	labels := []string{"local", "disk"}
	gauge(ch, descTimerInLag, float64(st.Unindexed), labels...)
	gauge(ch, descTimerOutLag, float64(st.Pending), labels...)
	behind := float64(st.Behind.Milliseconds())
	gauge(ch, descTimerOutTime, behind, labels...)
	if st.Unindexed == 0 {
		behind = 0
	}
	gauge(ch, descTimerInTime, behind, labels...)
	counter(ch, descTimerIn, st.In, labels...)
	counter(ch, descTimerOut, st.Out, labels...)
	counter(ch, descTimerLost, st.Lost, labels...)
	for i, n := range t.Snapshot() {
		gauge(ch, descTimerSoon, float64(n), append(slices.Clone(labels), strconv.Itoa(timer.Bounds[i]))...)
	}
	left := maxSeries
	for topic, m := range t.Counts().TimingCount {
		if left--; left < 0 {
			return
		}
		gauge(ch, descTimerPending, float64(m.Count), topic)
	}
}

func (c collector) collectTransactions(ch chan<- prometheus.Metric) {
	left := maxSeries
	for topic, m := range c.b.transactions.Counts() {
		if left--; left < 0 {
			break
		}
		gauge(ch, descHalf, float64(m.Count), topic)
	}
	open, oldest := c.b.transactions.Open()
	gauge(ch, descTxOpen, float64(open))
	gauge(ch, descTxOldest, age(c.b.now().UnixMilli(), oldest))
	s := c.b.transactions.Statistics()
	counter(ch, descTxChecks, s.Checks.Load())
	counter(ch, descTxUnasked, s.Unasked.Load())
	counter(ch, descTxCommits, s.Commits.Load())
	counter(ch, descTxBacks, s.Rollbacks.Load())
	counter(ch, descTxGivenUp, s.GivenUp.Load())
	counter(ch, descTxCarried, s.Carried.Load())
}

func (c collector) collectDedup(ch chan<- prometheus.Metric) {
	s := c.b.dedup.Stats()
	gauge(ch, descKnown, float64(s.Entries))
	counter(ch, descForgotten, s.Dropped)
	left := maxSeries
	for topic, n := range s.Suppressed {
		if left--; left < 0 {
			return
		}
		counter(ch, descSuppressed, n, topic)
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, v int64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (c collector) collectTopics(ch chan<- prometheus.Metric) {
	left := maxSeries
	for t := range c.b.stats.Topics() {
		for k := range stats.Kinds() {
			count := t.Kind(k)
			if count == nil {
				continue
			}
			if left--; left < 0 {
				return
			}
			labels := []string{t.Name, k.String(), strconv.FormatBool(t.System)}
			counter(ch, descIn, count.Messages.Load(), labels...)
			counter(ch, descInBytes, count.Bytes.Load(), labels...)
			ch <- sizeHistogram(count, labels)
		}
	}
}

func sizeHistogram(count *stats.KindCount, labels []string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(stats.SizeBounds))
	var total uint64
	for i, bound := range stats.SizeBounds {
		total += uint64(count.Sizes[i].Load())
		buckets[float64(bound)] = total
	}
	total += uint64(count.Sizes[len(stats.SizeBounds)].Load())
	return prometheus.MustNewConstHistogram(descSize, total, float64(count.Bytes.Load()), buckets, labels...)
}

func (c collector) collectPairs(ch chan<- prometheus.Metric) {
	left := maxSeries
	for p := range c.b.stats.Pairs() {
		if left--; left < 0 {
			return
		}
		system, retry := strconv.FormatBool(p.System), strconv.FormatBool(protocol.IsRetryTopic(p.Topic))
		counter(ch, descOut, p.Messages(), p.Topic, p.Group, system, retry)
		counter(ch, descOutBytes, p.Bytes(), p.Topic, p.Group, system, retry)
		if n := p.DeadLetters(); n > 0 {
			counter(ch, descDLQ, n, p.Group, p.Topic, system)
		}
	}
}

// kindOfClient groups connections.
type kindOfClient struct{ language, version string }

func clientKind(m *registry.Member) kindOfClient {
	return kindOfClient{strings.ToLower(m.Language.String()), versionName(m.Version)}
}

func (c collector) collectConnections(ch chan<- prometheus.Metric) {
	producers := map[kindOfClient]int{}
	for _, members := range c.b.clients.Producers() {
		for _, m := range members {
			producers[clientKind(m)]++
		}
	}
	for k, n := range producers {
		gauge(ch, descProducers, float64(n), k.language, k.version, "remoting")
	}
	left := maxSeries
	for _, g := range c.b.clients.ConsumerGroups() {
		consumers := map[kindOfClient]int{}
		for _, m := range g.Members {
			consumers[clientKind(m)]++
		}
		for k, n := range consumers {
			if left--; left < 0 {
				return
			}
			gauge(ch, descConsumers, float64(n), k.language, k.version, "remoting", g.Name, consumeMode(g.ConsumeType),
				strconv.FormatBool(protocol.IsSystemGroup(g.Name)))
		}
	}
}

func (c collector) collectMismatches(ch chan<- prometheus.Metric) {
	left := maxSeries
	for _, g := range c.b.clients.ConsumerGroups() {
		if d := g.Differences(); len(d) > 0 {
			if left--; left < 0 {
				break
			}
			gauge(ch, descMismatch, float64(len(d)), g.Name)
		}
	}
	for key, n := range c.b.skipped.all() {
		counter(ch, descPassedOver, n, key.group, key.topic)
	}
}

func consumeMode(t protocol.ConsumeType) string {
	switch t {
	case protocol.ConsumeActively:
		return "pull"
	case protocol.ConsumePop:
		return "pop"
	default:
		return "push"
	}
}

// lag is how far a group is behind in a topic.
type lag struct {
	messages, inflight, ready int64
	oldest, oldestReady       int64 // store time in ms of the first message not consumed, not handed out; 0: none
}

func (c collector) collectLags(ch chan<- prometheus.Metric) {
	series, queues, times := maxSeries, int32(maxLagQueues), maxLagTimes
	now := c.b.now().UnixMilli()
	for _, k := range c.b.offsets.Pairs() {
		if _, _, lite := protocol.SplitLiteQueueName(k.Topic); lite {
			continue // collectLite adds them up
		}
		_, exists := c.b.groups.Peek(k.Group)
		config, ok := c.b.topics.Lookup(k.Topic)
		if !exists || !ok || !c.b.offsets.Known(k) || !c.b.mayConsume(k.Group, k.Topic) {
			continue
		}
		series--
		queues -= config.ReadQueueNums
		if series < 0 || queues < 0 {
			return
		}
		l := c.lag(k, config.ReadQueueNums, &times)
		popped := c.b.pops.InflightOf(k.Topic, k.Group) // the committed offset is beyond them
		l.messages, l.inflight = l.messages+popped, l.inflight+popped
		labels := []string{
			k.Group, k.Topic, strconv.FormatBool(protocol.IsRetryTopic(k.Topic)), strconv.FormatBool(c.b.isSystem(k.Topic, k.Group)),
		}
		gauge(ch, descLag, float64(l.messages), labels...)
		gauge(ch, descInflight, float64(l.inflight), labels...)
		gauge(ch, descReady, float64(l.ready), labels...)
		if times < 0 {
			continue
		}
		gauge(ch, descLagLatency, age(now, l.oldest), labels...)
		gauge(ch, descQueueLatency, age(now, l.oldestReady), labels...)
	}
}

func age(now, then int64) float64 {
	if then <= 0 {
		return 0
	}
	return float64(max(now-then, 0))
}

// lag adds up the queues of a pair. It takes from times what it reads, and reads
// nothing when they are used up.
func (c collector) lag(k offsets.Pair, queues int32, times *int) (l lag) {
	group, topic := k.Group, k.Topic
	earlier := func(at *int64, q int32, offset, end int64) {
		if offset >= end {
			return
		}
		if *times--; *times < 0 {
			return
		}
		if ms, ok := c.b.store.StoreTimeAt(topic, q, offset); ok && (*at == 0 || ms < *at) {
			*at = ms
		}
	}
	for q := range queues {
		consumed, known := c.b.offsets.Query(group, topic, q)
		if !known {
			continue
		}
		low, end := c.b.store.MinOffset(topic, q), c.b.store.MaxOffset(topic, q)
		consumed = min(max(consumed, low), end)
		pulled, _ := c.b.offsets.QueryPulled(group, topic, q)
		pulled = min(max(pulled, consumed), end)
		l.messages += end - consumed
		l.inflight += pulled - consumed
		l.ready += end - pulled
		earlier(&l.oldest, q, consumed, end)
		earlier(&l.oldestReady, q, pulled, end)
	}
	return l
}

func (c collector) collectStore(ch chan<- prometheus.Metric) {
	s := c.b.store.Stats()
	gauge(ch, descStoreSize, float64(s.Disk.Used), "local", "disk")
	gauge(ch, descFlush, float64(s.LogMax-s.LogFlushed), "local", "disk")
	gauge(ch, descDispatch, 0, "local", "disk")
	gauge(ch, descReserve, age(c.b.now().UnixMilli(), c.b.store.EarliestStoreTime()), "local", "disk")
}
