package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.lite.LiteSubscriptionAction;
import org.apache.rocketmq.common.lite.OffsetOption;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.body.GetLiteClientInfoResponseBody;
import org.apache.rocketmq.remoting.protocol.body.GetLiteGroupInfoResponseBody;
import org.apache.rocketmq.remoting.protocol.body.GetLiteTopicInfoResponseBody;
import org.apache.rocketmq.remoting.protocol.header.NotifyUnsubscribeLiteRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PopLiteMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Lite topics as Apache's proxy uses them: subscriptions, ordered POP, redelivery, quotas, and what administrators see. */
@Timeout(value = 4, unit = TimeUnit.MINUTES)
class LiteTest {
    private static final long LONG = 60_000;

    private static Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @BeforeAll
    static void start() {
        cluster = Clusters.own(spec());
    }

    static ClusterSpec spec() {
        return ClusterSpec.standard().with("enableLmq", "true").with("enableMultiDispatch", "true")
            .with("liteEventCheckInterval", "500").with("liteEventFullDispatchDelayTime", "1000")
            .with("liteEventFullDispatchDelayTimeForWildcardGroup", "1000")
            .with("liteSubscriptionCheckInterval", "1000").with("liteSubscriptionCheckTimeoutMills", "8000")
            .with("maxLiteSubscriptionCount", "40");
    }

    @AfterAll
    static void stop() {
        Clusters.close(cluster);
    }

    /** A parent topic; its lite topics live as long as the attribute says. */
    private String parent() throws Exception {
        TopicConfig config = new TopicConfig(mq.newTopicName());
        config.setReadQueueNums(4);
        config.setWriteQueueNums(4);
        config.setAttributes(new HashMap<>(Map.of("+message.type", "LITE")));
        mq.admin().createAndUpdateTopicConfig(cluster.brokerAddr(), config);
        mq.awaitRoute(config.getTopicName());
        return config.getTopicName();
    }

    private String group(String parent, String... attributes) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(mq.group());
        Map<String, String> a = new HashMap<>(Map.of("+lite.bind.topic", parent));
        for (int i = 0; i < attributes.length; i += 2) {
            a.put("+" + attributes[i], attributes[i + 1]);
        }
        config.setAttributes(a);
        mq.admin().createAndUpdateSubscriptionGroupConfig(cluster.brokerAddr(), config);
        return config.getGroupName();
    }

    private LiteClient client(String group, String parent) {
        LiteClient c = new LiteClient(cluster, mq.name("c"), group, parent);
        mq.closeLater(c::close);
        return c;
    }

    static SendResult send(DefaultMQProducer producer, String parent, String lite, String body) throws Exception {
        Message m = Rmq.message(parent, "tag", body);
        MessageAccessor.putProperty(m, MessageConst.PROPERTY_LITE_TOPIC, lite);
        return producer.send(m);
    }

    /** Pops and acknowledges until that many messages came; gives their bodies by lite topic, in order. */
    private static Map<String, List<String>> consume(LiteClient c, int n) {
        Map<String, List<String>> got = new HashMap<>();
        List<MessageExt> all = new ArrayList<>();
        Rmq.await(n + " messages").until(() -> {
            for (MessageExt m : c.pop(32, LONG, 1000)) {
                all.add(m);
                got.computeIfAbsent(LiteClient.liteTopicOf(m), k -> new ArrayList<>()).add(Rmq.body(m));
                assertEquals(AckStatus.OK, c.ack(m).getStatus());
            }
            return all.size() >= n;
        });
        assertEquals(n, all.size());
        return got;
    }

    private static List<String> numbers(int n) {
        return IntStream.range(0, n).mapToObj(Integer::toString).toList();
    }

    private static int code(Executable e) {
        ExecutionException x = assertThrows(ExecutionException.class, e::run);
        return ((MQBrokerException) x.getCause()).getResponseCode();
    }

    private interface Executable {
        void run() throws Exception;
    }

    @Test
    void messagesOfEachLiteTopicComeInOrder() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("a", "b", "c");
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 50; i++) {
            for (String lite : List.of("a", "b", "c", "other")) {
                send(producer, parent, lite, Integer.toString(i));
            }
        }
        Map<String, List<String>> got = consume(c, 150);
        assertEquals(Map.of("a", numbers(50), "b", numbers(50), "c", numbers(50)), got);
        assertEquals(List.of(), c.pop(32, LONG, 300));
    }

    @Test
    void aPopTellsWhatItsReceiptsNeed() throws Exception {
        String parent = parent();
        String group = group(parent);
        LiteClient c = client(group, parent);
        c.add("x");
        DefaultMQProducer producer = mq.producer();
        send(producer, parent, "x", "first");
        send(producer, parent, "x", "second");
        List<MessageExt> got = new ArrayList<>();
        Rmq.await("both").until(() -> {
            got.addAll(c.pop(1, LONG, 1000));
            if (got.size() == 1) {
                c.ack(got.get(0));
            }
            return got.size() == 2;
        });
        MessageExt m = got.get(1);
        assertEquals(parent, m.getTopic());
        assertEquals(1, m.getQueueOffset());
        assertEquals(0, m.getReconsumeTimes());
        assertEquals("x", LiteClient.liteTopicOf(m));
        String[] receipt = LiteClient.receiptOf(m).split(" ");
        assertEquals("999", receipt[3]);
        assertEquals(Long.toString(LONG), receipt[2]);
        assertEquals(AckStatus.OK, c.ack(m).getStatus());
        assertEquals(AckStatus.OK, c.ack(m).getStatus(), "twice is fine");
    }

    @Test
    void aHeldPopIsWokenByAMessage() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("later");
        CompletableFuture<PopResult> held = c.popAsync(c.request(8, LONG, 20_000));
        send(mq.producer(), parent, "later", "now");
        PopResult r = held.get(25, TimeUnit.SECONDS);
        assertEquals(PopStatus.FOUND, r.getPopStatus());
        assertEquals(List.of("now"), Rmq.bodies(r.getMsgFoundList()));
        c.ack(r.getMsgFoundList().get(0));
        assertEquals(PopStatus.POLLING_NOT_FOUND, c.popAsync(c.request(8, LONG, 300)).get(20, TimeUnit.SECONDS).getPopStatus());
    }

    @Test
    void aLiteTopicIsBlockedWhileMessagesAreOut() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("q");
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 4; i++) {
            send(producer, parent, "q", Integer.toString(i));
        }
        List<MessageExt> first = popSome(c, 2, LONG);
        assertEquals(List.of("0", "1"), Rmq.bodies(first));
        assertEquals(List.of(), c.pop(8, LONG, 500));
        c.ack(first.get(1));
        assertEquals(List.of(), c.pop(8, LONG, 500), "the first one is still out");
        c.ack(first.get(0));
        assertEquals(List.of("2", "3"), Rmq.bodies(popSome(c, 8, LONG)));
    }

    /** Pops until something comes. */
    private static List<MessageExt> popSome(LiteClient c, int max, long invisible) {
        List<MessageExt> got = new ArrayList<>();
        Rmq.await("messages").until(() -> {
            got.addAll(c.pop(max, invisible, 1000));
            return !got.isEmpty();
        });
        return got;
    }

    @Test
    void whatIsNotAcknowledgedComesAgain() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("q");
        DefaultMQProducer producer = mq.producer();
        send(producer, parent, "q", "0");
        send(producer, parent, "q", "1");
        List<MessageExt> first = awaitAll(c, 2, 1500);
        c.ack(first.get(1));
        List<MessageExt> again = popSome(c, 8, LONG);
        assertEquals(List.of("0", "1"), Rmq.bodies(again), "from the first that was not acknowledged on");
        assertEquals(1, again.get(0).getReconsumeTimes());
        assertEquals(AckStatus.OK, c.ack(first.get(0)).getStatus(), "an old receipt has no effect");
        assertEquals(List.of(), c.pop(8, LONG, 300));
        again.forEach(m -> ack(c, m));
        send(producer, parent, "q", "2");
        MessageExt last = popSome(c, 8, LONG).get(0);
        assertEquals("2", Rmq.body(last));
        assertEquals(0, last.getReconsumeTimes());
    }

    /** One pop that gets that many: with fewer, the messages are given back. */
    private static List<MessageExt> awaitAll(LiteClient c, int n, long invisible) {
        List<MessageExt> got = new ArrayList<>();
        Rmq.await(n + " messages at once").until(() -> {
            got.clear();
            got.addAll(c.pop(32, invisible, 1000));
            return got.size() == n;
        });
        return got;
    }

    private static void ack(LiteClient c, MessageExt m) {
        try {
            assertEquals(AckStatus.OK, c.ack(m).getStatus());
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void theSameAttemptGetsTheSameMessages() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("q");
        send(mq.producer(), parent, "q", "0");
        PopLiteMessageRequestHeader h = c.request(8, 3000, 5000);
        h.setAttemptId("attempt");
        assertEquals(1, c.pop(h).size());
        assertEquals(List.of(), c.pop(8, LONG, 300));
        c.add("another"); // a full dispatch looks at all of the client's queues
        c.invoke(200079, Map.of("group", c.group, "clientId", c.id));
        PopLiteMessageRequestHeader same = c.request(8, LONG, 5000);
        same.setAttemptId("attempt");
        List<MessageExt> again = c.pop(same);
        assertEquals(List.of("0"), Rmq.bodies(again));
        assertEquals(0, again.get(0).getReconsumeTimes());
    }

    @Test
    void invisibilityIsChangedForAMessageOrForTheWholeLiteTopic() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("q");
        DefaultMQProducer producer = mq.producer();
        send(producer, parent, "q", "0");
        MessageExt m = popSome(c, 1, LONG).get(0);
        assertEquals(AckStatus.OK, c.changeInvisible(m, 500, false).getStatus());
        MessageExt again = popSome(c, 1, LONG).get(0);
        assertEquals("0", Rmq.body(again));
        assertEquals(1, again.getReconsumeTimes());
        assertEquals(AckStatus.OK, c.changeInvisible(again, 500, true).getStatus());
        MessageExt third = popSome(c, 1, LONG).get(0);
        assertEquals(1, third.getReconsumeTimes(), "a suspension is not an attempt");
        ack(c, third);
    }

    @Test
    void receiptsThatCannotBeAreRefused() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("q");
        send(mq.producer(), parent, "q", "0");
        MessageExt m = popSome(c, 1, LONG).get(0);
        String receipt = LiteClient.receiptOf(m);
        assertEquals(AckStatus.NO_EXIST, c.ack("q", receipt, 7).getStatus());
        LiteClient stranger = client(group(parent()), parent);
        assertEquals(ResponseCode.INVALID_PARAMETER, ackCode(stranger, "q", receipt, 0));
        assertEquals(ResponseCode.INVALID_PARAMETER, ackCode(c, "q", receipt.replace(" 999 ", " 1 "), 0));
        assertEquals(ResponseCode.MESSAGE_ILLEGAL, ackCode(c, "q", receipt, 1));
        assertEquals(AckStatus.OK, c.ack(m).getStatus());
    }

    private static int ackCode(LiteClient c, String lite, String receipt, long offset) throws Exception {
        return c.invoke(200051, Map.of("consumerGroup", c.group, "topic", c.parent, "queueId", "0", "extraInfo", receipt,
            "offset", Long.toString(offset), "liteTopic", lite)).getCode();
    }

    @Test
    void popsThatCannotBeAreRefused() throws Exception {
        String parent = parent();
        String group = group(parent);
        assertEquals(ResponseCode.TOPIC_NOT_EXIST, code(() -> client(group, mq.newTopicName()).pop(8, LONG, 100)));
        String plain = mq.topic(1);
        assertEquals(ResponseCode.INVALID_PARAMETER, code(() -> client(group, plain).pop(8, LONG, 100)));
        String other = parent();
        assertEquals(ResponseCode.INVALID_PARAMETER, code(() -> client(group, other).pop(8, LONG, 100)));
        assertEquals(ResponseCode.INVALID_PARAMETER, code(() -> client(group, parent).pop(33, LONG, 100)));
        PopLiteMessageRequestHeader late = client(group, parent).request(8, LONG, 100);
        late.setBornTime(System.currentTimeMillis() - 10_000);
        assertEquals(PopStatus.POLLING_NOT_FOUND, client(group, parent).popAsync(late).get(20, TimeUnit.SECONDS).getPopStatus());
    }

    @Test
    void whoTakesALiteTopicOverInAnExclusiveGroupIsTheOnlyOne() throws Exception {
        String parent = parent();
        String group = group(parent, "lite.sub.model", "Exclusive");
        LiteClient first = client(group, parent);
        LiteClient second = client(group, parent);
        DefaultMQProducer producer = mq.producer();
        first.add("mine", "both");
        send(producer, parent, "both", "0");
        assertEquals(Map.of("both", List.of("0")), consume(first, 1));
        second.add("both");
        NotifyUnsubscribeLiteRequestHeader lost = first.lost(20_000);
        assertNotNull(lost);
        assertEquals("both", lost.getLiteTopic());
        assertEquals(group, lost.getConsumerGroup());
        assertEquals(first.id, lost.getClientId());
        send(producer, parent, "both", "1");
        send(producer, parent, "mine", "2");
        assertEquals(Map.of("both", List.of("1")), consume(second, 1));
        assertEquals(Map.of("mine", List.of("2")), consume(first, 1));
        assertEquals(List.of(), first.pop(8, LONG, 300));
        assertNull(second.lost(0));
    }

    @Test
    void aSharedGroupGivesEachMessageToOneClient() throws Exception {
        String parent = parent();
        String group = group(parent);
        LiteClient a = client(group, parent);
        LiteClient b = client(group, parent);
        LiteClient other = client(group(parent), parent);
        a.setAll("s");
        b.setAll("s");
        other.setAll("s");
        DefaultMQProducer producer = mq.producer();
        List<String> got = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            send(producer, parent, "s", Integer.toString(i));
        }
        Rmq.await("all").until(() -> {
            for (LiteClient c : List.of(a, b)) {
                for (MessageExt m : c.pop(4, LONG, 200)) {
                    got.add(Rmq.body(m));
                    ack(c, m);
                }
            }
            return got.size() >= 20;
        });
        assertEquals(numbers(20), got);
        assertEquals(Map.of("s", numbers(20)), consume(other, 20));
    }

    @Test
    void aCompleteSetReplacesAndAPartialRemovalEnds() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        DefaultMQProducer producer = mq.producer();
        c.setAll("a", "b");
        c.setAll("b", "c");
        for (String lite : List.of("a", "b", "c")) {
            send(producer, parent, lite, lite);
        }
        assertEquals(Set.of("b", "c"), consume(c, 2).keySet());
        assertEquals(List.of(), c.pop(8, LONG, 300), "takes what the acknowledgements announced");
        c.subscribe(LiteSubscriptionAction.PARTIAL_REMOVE, null, "b");
        send(producer, parent, "b", "b2");
        send(producer, parent, "c", "c2");
        assertEquals(Map.of("c", List.of("c2")), consume(c, 1));
        c.subscribe(LiteSubscriptionAction.COMPLETE_REMOVE, null);
        send(producer, parent, "c", "c3");
        assertEquals(List.of(), c.pop(8, LONG, 500));
        c.add("b"); // what came meanwhile is there
        assertEquals(Map.of("b", List.of("b2")), consume(c, 1));
    }

    @Test
    void subscriptionsBeginWhereTheyAsk() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 6; i++) {
            send(producer, parent, "q", Integer.toString(i));
        }
        c.subscribe(LiteSubscriptionAction.PARTIAL_ADD, new OffsetOption(OffsetOption.Type.OFFSET, 4), "q");
        assertEquals(Map.of("q", List.of("4", "5")), consume(c, 2));
        c.subscribe(LiteSubscriptionAction.PARTIAL_REMOVE, null, "q");
        c.subscribe(LiteSubscriptionAction.PARTIAL_ADD, new OffsetOption(OffsetOption.Type.TAIL_N, 1), "q");
        assertEquals(Map.of("q", List.of("5")), consume(c, 1));
        c.subscribe(LiteSubscriptionAction.PARTIAL_REMOVE, null, "q");
        c.subscribe(LiteSubscriptionAction.PARTIAL_ADD, new OffsetOption(OffsetOption.Type.POLICY, OffsetOption.POLICY_MIN_VALUE), "q");
        assertEquals(Map.of("q", numbers(6)), consume(c, 6));
        LiteClient late = client(group(parent), parent);
        late.subscribe(LiteSubscriptionAction.PARTIAL_ADD, new OffsetOption(OffsetOption.Type.POLICY, OffsetOption.POLICY_MAX_VALUE), "q");
        assertEquals(List.of(), late.pop(8, LONG, 500));
        send(producer, parent, "q", "6");
        assertEquals(Map.of("q", List.of("6")), consume(late, 1));
    }

    @Test
    void aWildcardGroupGetsAllLiteTopics() throws Exception {
        String parent = parent();
        String group = group(parent, "lite.sub.wildcard", "true");
        LiteClient c = client(group, parent);
        DefaultMQProducer producer = mq.producer();
        send(producer, parent, "before", "0");
        assertEquals(ResponseCode.ILLEGAL_OPERATION, code(() -> c.add("before")));
        c.setAll();
        send(producer, parent, "after", "1");
        assertEquals(Map.of("before", List.of("0"), "after", List.of("1")), consume(c, 2));
        GetLiteTopicInfoResponseBody info = c.api().getLiteTopicInfo(cluster.brokerAddr(), parent, "after", 10_000);
        assertEquals(1, info.getSubscriber().size());
        assertEquals("*", info.getSubscriber().iterator().next().clientId);
    }

    @Test
    void subscriptionsHaveAQuota() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add(IntStream.range(0, 41).mapToObj(i -> "l" + i).toArray(String[]::new)); // looked at before, not within
        assertEquals(ResponseCode.LITE_SUBSCRIPTION_QUOTA_EXCEEDED, code(() -> c.add("one more")));
        c.subscribe(LiteSubscriptionAction.COMPLETE_REMOVE, null);
        Rmq.await("room").ignoreExceptions().until(() -> {
            c.add("one more");
            return true;
        });
    }

    @Test
    void subscriptionsExpireUnlessRepeated() throws Exception {
        String parent = parent();
        String group = group(parent);
        LiteClient silent = client(group, parent);
        LiteClient alive = client(group, parent);
        silent.setAll("q");
        alive.setAll("q");
        Rmq.await("expiry").until(() -> {
            alive.setAll("q");
            return alive.api().getLiteTopicInfo(cluster.brokerAddr(), parent, "q", 10_000).getSubscriber().size() == 1;
        });
        assertEquals(-1, alive.api().getLiteClientInfo(cluster.brokerAddr(), parent, group, silent.id, 10_000).getLiteTopicCount());
        assertEquals(1, alive.api().getLiteClientInfo(cluster.brokerAddr(), parent, group, alive.id, 10_000).getLiteTopicCount());
    }

    @Test
    void eventsThatDoNotFitComeLater() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent, "lite.sub.client.max.event.cnt", "10"), parent);
        String[] lite = IntStream.range(0, 30).mapToObj(i -> "l" + i).toArray(String[]::new);
        c.setAll(lite);
        DefaultMQProducer producer = mq.producer();
        for (String l : lite) {
            send(producer, parent, l, l);
        }
        Map<String, List<String>> got = new HashMap<>();
        Rmq.await("all lite topics").until(() -> {
            c.setAll(lite);
            for (MessageExt m : c.pop(4, LONG, 200)) {
                got.computeIfAbsent(LiteClient.liteTopicOf(m), k -> new ArrayList<>()).add(Rmq.body(m));
                ack(c, m);
            }
            return got.size() == 30;
        });
        got.forEach((l, bodies) -> assertEquals(List.of(l), bodies));
        c.subscribe(LiteSubscriptionAction.COMPLETE_REMOVE, null);
    }

    @Test
    void administratorsSeeTopicsClientsAndGroups() throws Exception {
        String parent = parent();
        String group = group(parent);
        LiteClient c = client(group, parent);
        c.add("a", "b");
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 3; i++) {
            send(producer, parent, "a", Integer.toString(i));
        }
        ack(c, popSome(c, 1, LONG).get(0));

        GetLiteTopicInfoResponseBody topic = c.api().getLiteTopicInfo(cluster.brokerAddr(), parent, "a", 10_000);
        assertEquals(3, topic.getTopicOffset().getMaxOffset());
        assertEquals(0, topic.getTopicOffset().getMinOffset());
        assertTrue(topic.getTopicOffset().getLastUpdateTimestamp() > 0);
        assertTrue(topic.isShardingToBroker());
        assertEquals(c.id, topic.getSubscriber().iterator().next().clientId);

        GetLiteClientInfoResponseBody client = c.api().getLiteClientInfo(cluster.brokerAddr(), parent, group, c.id, 10_000);
        assertEquals(2, client.getLiteTopicCount());
        assertEquals(Set.of("%LMQ%$" + parent + "$a", "%LMQ%$" + parent + "$b"), client.getLiteTopicSet());
        assertTrue(client.getLastAccessTime() > 0);

        GetLiteGroupInfoResponseBody lag = c.api().getLiteGroupInfo(cluster.brokerAddr(), group, "a", 5, 10_000);
        assertEquals(2, lag.getTotalLagCount());
        assertEquals(1, lag.getLiteTopicOffsetWrapper().getConsumerOffset());
        assertEquals(3, lag.getLiteTopicOffsetWrapper().getBrokerOffset());
        GetLiteGroupInfoResponseBody all = c.api().getLiteGroupInfo(cluster.brokerAddr(), group, "", 5, 10_000);
        assertEquals(2, all.getTotalLagCount());
        assertEquals("a", all.getLagCountTopK().get(0).getLiteTopic());
        assertEquals(2, all.getLagCountTopK().get(0).getLagCount());
        assertEquals(-1, all.getEarliestUnconsumedTimestamp());
        assertEquals(-1, c.api().getLiteGroupInfo(cluster.brokerAddr(), group, "none", 5, 10_000).getTotalLagCount());

        String plain = mq.group();
        mq.admin().createAndUpdateSubscriptionGroupConfig(cluster.brokerAddr(), new SubscriptionGroupConfig() {{
                setGroupName(plain);
            }});
        assertEquals(ResponseCode.INVALID_PARAMETER, c.invoke(200078, Map.of("group", plain, "topK", "3")).getCode());
        assertEquals(ResponseCode.INVALID_PARAMETER, c.invoke(200079, Map.of("group", plain)).getCode());
        assertEquals(ResponseCode.TOPIC_NOT_EXIST, c.invoke(200075, Map.of("topic", mq.newTopicName())).getCode());
        assertEquals(ResponseCode.INVALID_PARAMETER, c.invoke(200075, Map.of("topic", mq.topic(1))).getCode());
    }

    @Test
    void mqadminKnowsLiteTopics() throws Exception {
        String parent = parent();
        String group = group(parent);
        LiteClient c = client(group, parent);
        c.add("a");
        send(mq.producer(), parent, "a", "0");
        String broker = cluster.brokerAddr();
        contains(MqAdmin.run(cluster, "getBrokerLiteInfo", "-b", broker, "-d"), parent, group, "default");
        contains(MqAdmin.run(cluster, "getParentTopicInfo", "-p", parent), group);
        contains(MqAdmin.run(cluster, "getLiteTopicInfo", "-p", parent, "-l", "a", "-s"), c.id, "true");
        contains(MqAdmin.run(cluster, "getLiteClientInfo", "-p", parent, "-g", group, "-c", c.id), cluster.brokerName());
        contains(MqAdmin.run(cluster, "getLiteGroupInfo", "-p", parent, "-g", group, "-l", "a"), "Lite Group Info");
        contains(MqAdmin.run(cluster, "triggerLiteDispatch", "-p", parent, "-g", group), cluster.brokerName());
    }

    private static void contains(String printed, String... wanted) {
        for (String w : wanted) {
            assertTrue(printed.contains(w), w + " is not in: " + printed);
        }
    }

    @Test
    void deletingTheParentDeletesItsLiteTopics() throws Exception {
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        c.add("a");
        DefaultMQProducer producer = mq.producer();
        send(producer, parent, "a", "0");
        assertEquals(Map.of("a", List.of("0")), consume(c, 1));
        mq.admin().deleteTopicInBroker(Set.of(cluster.brokerAddr()), parent);
        assertEquals(0, c.api().getMaxOffset(cluster.brokerAddr(), new org.apache.rocketmq.common.message.MessageQueue(
            "%LMQ%$" + parent + "$a", cluster.brokerName(), 0), 10_000));
        TopicConfig config = new TopicConfig(parent);
        config.setAttributes(new HashMap<>(Map.of("+message.type", "LITE")));
        mq.admin().createAndUpdateTopicConfig(cluster.brokerAddr(), config);
        c.setAll("a");
        send(producer, parent, "a", "anew");
        assertEquals(Map.of("a", List.of("anew")), consume(c, 1));
    }
}
