package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is left of lite topics after a restart, a crash, a change of brokers, and their time. */
@Timeout(value = 8, unit = TimeUnit.MINUTES)
class LiteStoreTest {
    private static final long LONG = 60_000;

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    private static ClusterSpec spec() {
        return ClusterSpec.standard().with("enableLmq", "true").with("enableMultiDispatch", "true").with("liteEventCheckInterval", "500");
    }

    private String parent(String... attributes) throws Exception {
        TopicConfig config = new TopicConfig(mq.newTopicName());
        Map<String, String> a = new HashMap<>(Map.of("+message.type", "LITE"));
        for (int i = 0; i < attributes.length; i += 2) {
            a.put("+" + attributes[i], attributes[i + 1]);
        }
        config.setAttributes(a);
        mq.admin().createAndUpdateTopicConfig(cluster.brokerAddr(), config);
        mq.awaitRoute(config.getTopicName());
        return config.getTopicName();
    }

    private String group(String parent) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(mq.group());
        config.setAttributes(new HashMap<>(Map.of("+lite.bind.topic", parent)));
        mq.admin().createAndUpdateSubscriptionGroupConfig(cluster.brokerAddr(), config);
        return config.getGroupName();
    }

    private LiteClient client(String group, String parent) {
        LiteClient c = new LiteClient(cluster, mq.name("c"), group, parent);
        mq.closeLater(c::close);
        return c;
    }

    private static void send(DefaultMQProducer producer, String parent, String lite, int from, int to) throws Exception {
        for (int i = from; i < to; i++) {
            String body = Integer.toString(i);
            Rmq.await("send " + body).ignoreExceptions().until(() -> LiteTest.send(producer, parent, lite, body) != null);
        }
    }

    /** Subscribes anew, as clients do all the time, and consumes until n messages came. */
    private static List<String> consume(LiteClient c, String lite, int n) {
        List<String> got = new ArrayList<>();
        Rmq.await(n + " messages").ignoreExceptions().until(() -> {
            c.setAll(lite);
            for (MessageExt m : c.pop(8, LONG, 1000)) {
                if (LiteClient.liteTopicOf(m).equals(lite)) { // Apache's broker may still have events of an earlier set
                    got.add(Rmq.body(m));
                }
                c.ack(m);
            }
            return got.size() >= n;
        });
        return got;
    }

    private static List<String> numbers(int from, int to) {
        return IntStream.range(from, to).mapToObj(Integer::toString).toList();
    }

    @Test
    void progressSurvivesARestart() throws Exception {
        cluster = Clusters.own(spec());
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        send(producer, parent, "q", 0, 10);
        c.setAll("q");
        List<MessageExt> out = new ArrayList<>();
        Rmq.await("five").until(() -> {
            out.addAll(c.pop(5 - out.size(), LONG, 1000));
            return out.size() == 5;
        });
        c.ack(out.get(0));
        c.ack(out.get(1));
        cluster.stopBroker();
        cluster.startBroker();
        assertEquals(numbers(2, 10), consume(c, "q", 8), "what was out is not remembered and comes again");
        send(producer, parent, "q", 10, 12);
        assertEquals(numbers(10, 12), consume(c, "q", 2));
    }

    @Test
    void anOldReceiptSkipsNothing() throws Exception {
        assumeTrue(Settings.isAerobee(), "Apache's broker commits past messages that were never acknowledged");
        cluster = Clusters.own(spec());
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        DefaultMQProducer producer = mq.producer();
        send(producer, parent, "q", 0, 3);
        c.setAll("q");
        List<MessageExt> out = new ArrayList<>();
        Rmq.await("three").until(() -> {
            out.addAll(c.pop(3, LONG, 1000));
            return out.size() == 3;
        });
        cluster.stopBroker();
        cluster.startBroker();
        Rmq.await("answer").ignoreExceptions().until(() -> c.ack(out.get(2)) != null);
        c.ack(out.get(0));
        assertEquals(numbers(1, 3), consume(c, "q", 2));
    }

    @Test
    void acknowledgedMessagesSurviveACrash() throws Exception {
        cluster = Clusters.own(spec().withSyncFlush());
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        send(producer, parent, "q", 0, 20);
        assertEquals(numbers(0, 20), consume(c, "q", 20));
        send(producer, parent, "q", 20, 40);
        send(producer, parent, "r", 0, 5);
        cluster.killBroker();
        cluster.startBroker();
        send(producer, parent, "q", 40, 45);
        List<String> got = new ArrayList<>();
        Rmq.await("the last").until(() -> {
            got.addAll(consume(c, "q", 1));
            return got.contains("44");
        });
        assertEquals(numbers(20, 45), got.subList(got.size() - 25, got.size()), "perhaps after some that were consumed before");
        assertEquals(numbers(0, 5), consume(c, "r", 5));
    }

    @Test
    void brokersOfBothKindsTakeTurns() throws Exception {
        cluster = Clusters.takingTurns(spec());
        String parent = parent();
        LiteClient c = client(group(parent), parent);
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        int sent = 0;
        int consumed = 0;
        for (int turn = 0; turn < 4; turn++) {
            send(producer, parent, "q", sent, sent + 10);
            send(producer, parent, "turn" + turn, 0, 3);
            sent += 10;
            assertEquals(numbers(consumed, sent), consume(c, "q", sent - consumed));
            consumed = sent;
            send(producer, parent, "q", sent, sent + 5);
            sent += 5;
            for (int t = 0; t <= turn; t++) {
                assertEquals(3, c.api().getMaxOffset(cluster.brokerAddr(), queue(parent, "turn" + t), 10_000));
            }
            cluster.stopBroker();
            cluster.startBroker();
            mq.awaitRoute(parent);
        }
        int all = sent;
        assertEquals(numbers(consumed, all), consume(c, "q", all - consumed));
    }

    private MessageQueue queue(String parent, String lite) {
        return new MessageQueue("%LMQ%$" + parent + "$" + lite, cluster.brokerName(), 0);
    }

    @Test
    void liteTopicsExpire() throws Exception {
        cluster = Clusters.own(spec().with("minLiteTTl", "1000").with("liteTtlCheckInterval", "1000"));
        String parent = parent("lite.topic.expiration", "1");
        String forever = parent();
        LiteClient c = client(group(parent), parent);
        c.setAll("q", "busy");
        DefaultMQProducer producer = mq.producer();
        send(producer, parent, "q", 0, 3);
        send(producer, parent, "busy", 0, 1);
        send(producer, forever, "q", 0, 1);
        int[] busy = {1};
        Awaitility.await("expiry").atMost(Duration.ofMinutes(4)).pollInterval(Duration.ofSeconds(2)).until(() -> {
            LiteTest.send(producer, parent, "busy", Integer.toString(busy[0]++));
            return c.api().getMaxOffset(cluster.brokerAddr(), queue(parent, "q"), 10_000) == 0;
        });
        assertEquals(busy[0], c.api().getMaxOffset(cluster.brokerAddr(), queue(parent, "busy"), 10_000));
        assertEquals(1, c.api().getMaxOffset(cluster.brokerAddr(), queue(forever, "q"), 10_000));
        send(producer, parent, "q", 3, 4);
        assertEquals(List.of("3"), consume(c, "q", 1), "it begins anew");
        assertEquals(1, c.api().getMaxOffset(cluster.brokerAddr(), queue(parent, "q"), 10_000));
    }

    @Test
    void lightQueuesHaveAQuota() throws Exception {
        cluster = Clusters.own(spec().with("enableLmqQuota", "true").with("maxLmqConsumeQueueNum", "3"));
        String parent = parent();
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(0));
        for (String lite : List.of("a", "b", "c", "a")) {
            LiteTest.send(producer, parent, lite, "body");
        }
        MQBrokerException e = assertThrows(MQBrokerException.class, () -> LiteTest.send(producer, parent, "d", "body"));
        assertEquals(2017, e.getResponseCode());
        assertTrue(LiteTest.send(producer, parent, "b", "body").getQueueOffset() >= 0);
    }

    @Test
    void groupsWithTheNameOfALightQueuePullIt() throws Exception {
        cluster = Clusters.own(spec());
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        MessageQueue light = new MessageQueue("%LMQ%" + mq.name("l"), cluster.brokerName(), 0);
        for (int i = 0; i < 6; i++) {
            var m = Rmq.message(topic, "tag", Integer.toString(i));
            org.apache.rocketmq.common.message.MessageAccessor.putProperty(m, "INNER_MULTI_DISPATCH", light.getTopic());
            producer.send(m);
        }
        DefaultMQPullConsumer consumer = mq.pullConsumer(light.getTopic());
        consumer.pull(mq.queue(topic, 0), "*", 0, 1); // now the client knows the broker
        assertEquals(6, consumer.maxOffset(light));
        assertEquals(0, consumer.minOffset(light));
        PullResult r = consumer.pull(light, "*", 2, 32);
        assertEquals(numbers(2, 6), Rmq.bodies(r.getMsgFoundList()));
        consumer.updateConsumeOffset(light, 4);
        consumer.getOffsetStore().updateConsumeOffsetToBroker(light, 4, false);
        assertEquals(4, consumer.fetchConsumeOffset(light, true));
        cluster.stopBroker();
        cluster.startBroker();
        Rmq.await("offset").ignoreExceptions().until(() -> consumer.fetchConsumeOffset(light, true) == 4);
        assertEquals(6, consumer.maxOffset(light));
    }
}
