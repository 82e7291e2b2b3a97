package broker

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/broker/filters"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

const wanted = "a > 5 AND b = 'x'"

func withSQL(c *config.Broker) { c.PropertyFilter = true }

func sqlPull(group, topic string, offset int64, expression string) *protocol.PullMessageRequest {
	h := pullHeader(group, topic, 0, offset)
	h.Subscription, h.ExpressionType = expression, filters.SQL92
	return h
}

func sqlSubscription(topic, expression string, version int64) protocol.SubscriptionData {
	return protocol.SubscriptionData{Topic: topic, SubString: expression, ExpressionType: filters.SQL92, SubVersion: version}
}

// sendAB sends messages with a = 0..n-1, b = x to queue 0.
func (p *peer) sendAB(topic string, n int) {
	for i := range n {
		p.send(topic, 0, strconv.Itoa(i), "a", strconv.Itoa(i), "b", "x")
	}
}

func TestPullBySQL(t *testing.T) {
	p := runRig(t, withSQL).dial(t)
	p.sendAB("t", 10)
	_, h, got := p.pull(sqlPull("g", "t", 0, wanted))
	require.Equal(t, []string{"6", "7", "8", "9"}, bodies(got))
	require.EqualValues(t, 10, h.NextBeginOffset)
	answer, h, _ := p.pull(sqlPull("g", "t", 0, "a > 100"))
	require.EqualValues(t, protocol.RespPullRetryImmediately, answer.Code)
	require.EqualValues(t, 10, h.NextBeginOffset, "all were looked at")
}

func TestSQLErrorsOfPulls(t *testing.T) {
	r := runRig(t, withSQL)
	p := r.dial(t)
	p.sendAB("t", 1)
	refused := func(code protocol.ResponseCode, remark string, h *protocol.PullMessageRequest) {
		t.Helper()
		answer := p.call(protocol.ReqPullMessage, h, nil)
		require.EqualValues(t, code, answer.Code, answer.Remark)
		require.Contains(t, answer.Remark, remark)
	}
	refused(protocol.RespSubscriptionParseFailed, "Value ''x'' cannot be compared.", sqlPull("g", "t", 0, "a > 'x'"))
	refused(protocol.RespSubscriptionParseFailed, "must not be empty", sqlPull("g", "t", 0, ""))
	other := sqlPull("g", "t", 0, "a > 5")
	other.ExpressionType = "JS"
	refused(protocol.RespSubscriptionParseFailed, `type "JS"`, other)

	of := func(version int64) *protocol.PullMessageRequest {
		h := pullHeader("g", "t", 0, 0)
		h.SysFlag, h.SubVersion = 0, version
		return h
	}
	refused(protocol.RespSubscriptionNotExist, "group info not exist", of(1))
	p.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a >", 1))
	refused(protocol.RespFilterDataNotExist, "Your expression may be wrong", of(1))
	p.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a >= 0", 2))
	refused(protocol.RespSubscriptionNotLatest, "not latest", of(3))
	_, _, got := p.pull(of(2))
	require.Equal(t, []string{"0"}, bodies(got))

	require.NoError(t, r.filters.Register("g", []protocol.SubscriptionData{sqlSubscription("t", "a >= 1", 3)}))
	answer, _, _ := p.pull(of(2))
	require.EqualValues(t, protocol.RespPullRetryImmediately, answer.Code, "the newer expression")
	p.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a >", 4))
	refused(protocol.RespFilterDataNotExist, "", of(4))
}

func TestSQLIsOffByDefault(t *testing.T) {
	p := runRig(t).dial(t)
	p.sendAB("t", 1)
	answer := p.call(protocol.ReqPullMessage, sqlPull("g", "t", 0, wanted), nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	require.Equal(t, "The broker does not support consumer to filter message by SQL92", answer.Remark)
	answer = p.call(protocol.ReqPullMessage, sqlPull("g", "t", 0, "a >"), nil)
	require.EqualValues(t, protocol.RespSubscriptionParseFailed, answer.Code, "in the order of the checks")
}

func TestCheckClientConfigBySQL(t *testing.T) {
	p := runRig(t, withSQL).dial(t)
	check := func(expression string) (protocol.ResponseCode, string) {
		sub := sqlSubscription("t", expression, 1)
		answer := p.call(protocol.ReqCheckClientConfig, nil, javajson.Marshal(protocol.CheckClientRequestBody{ClientID: "c", Group: "g", SubscriptionData: &sub}))
		return protocol.ResponseCode(answer.Code), answer.Remark
	}
	code, _ := check(wanted)
	require.EqualValues(t, protocol.RespSuccess, code)
	code, remark := check("a BETWEEN 5 AND 1")
	require.EqualValues(t, protocol.RespSubscriptionParseFailed, code)
	require.Equal(t, "java.lang.RuntimeException: Illegal values of between, left value(5) must less than or equal to right value(1)", remark)
}

// A held pull is served again with what arrives, and answered when something of it
// is wanted, with the place up to which the queue was looked at.
func TestHeldSQLPull(t *testing.T) {
	r := runRig(t, withSQL)
	p, q := r.dial(t), r.dial(t)
	p.sendAB("t", 1)
	h := sqlPull("g", "t", 1, "a > 900")
	h.SysFlag |= pullSuspend
	h.SuspendTimeoutMillis = answerWithin.Milliseconds()
	q.write(protocol.ReqPullMessage, h, nil, 0)
	eventually(t, "the pull is held", func() bool { return r.hold.Len() == 1 })
	p.sendAB("t", 850) // more than one look at the queue finds
	p.send("t", 0, "yes", "a", "901")
	answer, response, got := q.pulled(q.read())
	require.EqualValues(t, protocol.RespSuccess, answer.Code)
	require.Equal(t, []string{"yes"}, bodies(got))
	require.EqualValues(t, 852, response.NextBeginOffset)
}

func TestHeldSQLPullExpires(t *testing.T) {
	r := runRig(t, withSQL)
	p, q := r.dial(t), r.dial(t)
	p.sendAB("t", 1)
	h := sqlPull("g", "t", 1, "a > 900")
	h.SysFlag |= pullSuspend
	h.SuspendTimeoutMillis = 300
	began := time.Now()
	q.write(protocol.ReqPullMessage, h, nil, 0)
	eventually(t, "the pull is held", func() bool { return r.hold.Len() == 1 })
	p.sendAB("t", 20)
	answer, response, _ := q.pulled(q.read())
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	require.EqualValues(t, protocol.RespPullRetryImmediately, answer.Code)
	require.Equal(t, "NO_MATCHED_MESSAGE", answer.Remark)
	require.Greater(t, response.NextBeginOffset, int64(1))
}

// A pull that is held when the group's expression changes is served by the new one,
// from its own offset on.
func TestHeldSQLPullTakesTheNewExpression(t *testing.T) {
	r := runRig(t, withSQL)
	p, q := r.dial(t), r.dial(t)
	p.sendAB("t", 1)
	q.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a > 900", 1))
	h := pullHeader("g", "t", 0, 1)
	h.SysFlag, h.SubVersion, h.SuspendTimeoutMillis = pullSuspend, 1, answerWithin.Milliseconds()
	q.write(protocol.ReqPullMessage, h, nil, 0)
	eventually(t, "the pull is held", func() bool { return r.hold.Len() == 1 })
	p.send("t", 0, "passed by", "a", "1")
	p.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a > 0", 2))
	p.send("t", 0, "next", "a", "2")
	answer := q.read()
	for !answer.IsResponse() { // the group has a new member
		answer = q.read()
	}
	_, _, got := q.pulled(answer)
	require.Subset(t, []string{"passed by", "next"}, bodies(got))
	require.Equal(t, "passed by", string(got[0].Body))
}

// Held SQL pulls do not keep a broker from stopping.
func TestStopWithHeldSQLPulls(t *testing.T) {
	r := runRig(t, withSQL)
	p, q := r.dial(t), r.dial(t)
	p.sendAB("t", 1)
	h := sqlPull("g", "t", 1, "a > 900")
	h.SysFlag |= pullSuspend
	h.SuspendTimeoutMillis = time.Hour.Milliseconds()
	q.write(protocol.ReqPullMessage, h, nil, 0)
	eventually(t, "the pull is held", func() bool { return r.hold.Len() == 1 })
	p.sendAB("t", 5)
	r.shutdown()
	_, response, _ := q.pulled(q.read())
	require.EqualValues(t, 6, response.NextBeginOffset)
}

func TestFiltersDieAndComeBack(t *testing.T) {
	r := runRig(t, withSQL)
	p := r.dial(t)
	p.sendAB("t", 1)
	p.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a >= 0", 7))
	p.ok(protocol.ReqUnregisterClient, &protocol.UnregisterClientRequest{ClientID: "c", ConsumerGroup: "g"}, nil, nil)
	e, ok := r.filters.Find("t", "g")
	require.True(t, ok && e.Dead())
	r.shutdown()

	r = runRigOn(t, r.cfg)
	e, ok = r.filters.Find("t", "g")
	require.True(t, ok && e.Dead())
	p = r.dial(t)
	p.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a >= 0", 7))
	again, _ := r.filters.Find("t", "g")
	require.False(t, again.Dead())
	require.Same(t, e.Program, again.Program)
}

func TestRetryFilter(t *testing.T) {
	r := runRig(t, withSQL, func(c *config.Broker) { c.FilterSupportRetry = true })
	p := r.dial(t)
	retry := protocol.RetryTopic("g")
	p.heartbeat("g", protocol.Clustering, sqlSubscription("t", "a > 5", 1), sqlSubscription(retry, "TRUE", 1))
	for topic, a := range map[string]string{"t": "7", "u": "1"} {
		p.send(retry, 0, topic, message.PropRetryTopic, topic, "a", a)
	}
	p.send(retry, 0, "not", message.PropRetryTopic, "t", "a", "1")
	h := pullHeader("g", retry, 0, 0)
	h.SysFlag, h.SubVersion = 0, 1
	_, _, got := p.pull(h)
	require.ElementsMatch(t, []string{"t", "u"}, bodies(got))
}

func TestMessageFilter(t *testing.T) {
	r := runRig(t)
	for _, expression := range []string{"", "*"} {
		f, err := r.messageFilter("TAG", expression)
		require.NoError(t, err)
		require.Nil(t, f)
	}
	f, err := r.messageFilter("", "Aa||b")
	require.NoError(t, err)
	require.True(t, f.MatchTags(int64(protocol.StringHash("BB"))), "the hash of Aa")
	require.False(t, f.MatchTags(int64(protocol.StringHash("c"))))
	f, err = r.messageFilter(filters.SQL92, wanted)
	require.NoError(t, err)
	again, _ := r.messageFilter(filters.SQL92, wanted)
	require.Equal(t, store.Filter(f), again)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.messageFilter(filters.SQL92, wanted) }))
	_, err = r.messageFilter(filters.SQL92, "a >")
	require.Error(t, err)
	_, second := r.messageFilter(filters.SQL92, "a >")
	require.Same(t, err, second, "failures are kept too")
}

func TestFilterCacheIsBounded(t *testing.T) {
	var c filterCache
	for i := range 5 * maxCachedFilters {
		_, err := c.find(filters.SQL92, "a = "+strconv.Itoa(i))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(c.mu.present), maxCachedFilters)
	require.LessOrEqual(t, len(c.mu.old), maxCachedFilters)
	require.LessOrEqual(t, c.mu.bytes, maxCachedFilterBytes)
	_, err := c.find(filters.SQL92, "a = "+strconv.Itoa(5*maxCachedFilters-maxCachedFilters))
	require.NoError(t, err)
}
