package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.header.PullMessageRequestHeader;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Subscriptions by SQL92 expressions and by tags, on a broker with enablePropertyFilter. */
class SqlFilterTest {
    private static final String WANTED = "a > 5 AND b = 'x'";

    private static Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @BeforeAll
    static void start() {
        cluster = Clusters.own(ClusterSpec.standard().with("enablePropertyFilter", "true"));
    }

    @AfterAll
    static void stop() {
        Clusters.close(cluster);
    }

    private static Message message(String topic, String body, String... properties) {
        Message m = Rmq.message(topic, "tag", body);
        for (int i = 0; i < properties.length; i += 2) {
            m.putUserProperty(properties[i], properties[i + 1]);
        }
        return m;
    }

    /** Sends bodies from..to-1 with the properties a = body and b = x; returns the bodies that WANTED wants. */
    private List<String> send(DefaultMQProducer producer, String topic, int from, int to) throws Exception {
        List<String> wanted = new ArrayList<>();
        for (int i = from; i < to; i++) {
            Message m = message(topic, Integer.toString(i), "a", Integer.toString(i % 10), "b", i % 2 == 0 ? "x" : "y");
            Rmq.await("send " + i).ignoreExceptions().until(() -> producer.send(m, mq.queue(topic, 0)) != null);
            if (i % 10 > 5 && i % 2 == 0) {
                wanted.add(Integer.toString(i));
            }
        }
        return wanted;
    }

    private DefaultMQPushConsumer push(String group, String topic, String expression, MessageListenerConcurrently listener) throws Exception {
        return mq.pushConsumer(group, c -> {
            c.subscribe(topic, MessageSelector.bySql(expression));
            c.registerMessageListener(listener);
        });
    }

    @Test
    void pushConsumerGetsWhatItWants() throws Exception {
        String topic = mq.topic(1);
        Inbox inbox = new Inbox();
        DefaultMQProducer producer = mq.producer();
        List<String> before = send(producer, topic, 0, 100);
        push(mq.group(), topic, WANTED, inbox.concurrently());
        inbox.awaitBodies(before);
        List<String> all = new ArrayList<>(before);
        all.addAll(send(producer, topic, 100, 200));
        inbox.awaitBodies(all);
        assertEquals(all, Rmq.bodies(inbox.asStored()));
    }

    @Test
    void litePullConsumerGetsWhatItWants() throws Exception {
        String topic = mq.topic(1);
        List<String> wanted = send(mq.producer(), topic, 0, 100);
        DefaultLitePullConsumer consumer = mq.litePullConsumer(mq.group(), c -> c.subscribe(topic, MessageSelector.bySql(WANTED)));
        List<String> got = new ArrayList<>();
        Rmq.await("messages").until(() -> {
            got.addAll(Rmq.bodies(consumer.poll(500)));
            return got.size() >= wanted.size();
        });
        assertEquals(wanted, got);
    }

    /** A pull consumer that has heard of the broker's version, without which it does not ask for SQL92. */
    private DefaultMQPullConsumer pullConsumer(MessageQueue queue) throws Exception {
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        consumer.maxOffset(queue);
        Rmq.await("the broker's version").until(() -> {
            try {
                return consumer.pull(queue, MessageSelector.bySql("TRUE"), 0, 1) != null;
            } catch (MQClientException e) {
                return false;
            }
        });
        return consumer;
    }

    /** Pulls from offset 0 on until the end of the queue. */
    private List<String> pullAll(DefaultMQPullConsumer consumer, MessageQueue queue, String expression) throws Exception {
        List<String> bodies = new ArrayList<>();
        long end = consumer.maxOffset(queue);
        for (long offset = 0; offset < end; ) {
            PullResult r = consumer.pull(queue, MessageSelector.bySql(expression), offset, 32);
            assertTrue(r.getNextBeginOffset() > offset, expression + " gives " + r);
            if (r.getPullStatus() == PullStatus.FOUND) {
                bodies.addAll(Rmq.bodies(r.getMsgFoundList()));
            }
            offset = r.getNextBeginOffset();
        }
        return bodies;
    }

    @Test
    void expressionsMeanTheSame() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        MessageQueue queue = mq.queue(topic, 0);
        Map<String, String[]> messages = new LinkedHashMap<>();
        messages.put("none", new String[] {});
        messages.put("five", new String[] {"a", "5", "b", "x"});
        messages.put("double", new String[] {"a", "5.0", "b", "it's"});
        messages.put("text", new String[] {"a", "abc", "b", "true"});
        messages.put("big", new String[] {"a", "9999999999", "b", "中文"});
        messages.put("negative", new String[] {"a", "-7", "b", "5"});
        messages.put("float", new String[] {"a", "5f", "c", "NaN"});
        for (Map.Entry<String, String[]> e : messages.entrySet()) {
            producer.send(message(topic, e.getKey(), e.getValue()), queue);
        }
        Map<String, String> expected = new LinkedHashMap<>();
        expected.put("a > 4", "five");
        expected.put("a > 4.0", "five double big float");
        expected.put("a = 5", "five");
        expected.put("a = 5.0", "five double float");
        expected.put("a <> 5", "negative");
        expected.put("a > 4294967296", "big");
        expected.put("a < 0", "negative");
        expected.put("a IS NULL", "none");
        expected.put("a IS NOT NULL AND b IS NULL", "float");
        expected.put("a IN ('abc', '5', '5f')", "five text float");
        expected.put("a NOT IN ('abc', '5', '5f')", "double big negative");
        expected.put("a BETWEEN -10 AND 5", "five negative");
        expected.put("a NOT BETWEEN 0 AND 5", "negative");
        expected.put("b = 'it''s'", "double");
        expected.put("b = '中文'", "big");
        expected.put("b CONTAINS 't'", "double text");
        expected.put("b NOT STARTSWITH 'x'", "double text big negative");
        expected.put("b = TRUE", "text");
        expected.put("b = FALSE", "five double big negative");
        expected.put("TRUE = b", "");
        expected.put("NOT a = 5", "");
        expected.put("NOT (a = 5)", "negative");
        expected.put("a = 5 garbage", "five");
        expected.put("a LIKE 'x'", "");
        expected.put("TAGS = 'tag' AND a > b", "");
        expected.put("c > a", "float");
        expected.put("b > a", "negative");
        expected.put("-a > 1", "");
        expected.put("TRUE", String.join(" ", messages.keySet()));
        expected.put("NULL", "");
        DefaultMQPullConsumer consumer = pullConsumer(queue);
        Map<String, String> got = new LinkedHashMap<>();
        for (String expression : expected.keySet()) {
            got.put(expression, String.join(" ", pullAll(consumer, queue, expression)));
        }
        assertEquals(expected, got);
    }

    @Test
    void wrongExpressionsAreRefusedAtStart() throws Exception {
        String topic = mq.topic(1);
        Map<String, String> reasons = new HashMap<>();
        reasons.put("a > 'b'", "java.lang.RuntimeException: Value ''b'' cannot be compared.");
        reasons.put("a BETWEEN 5 AND 1", "left value(5) must less than or equal to right value(1)");
        reasons.put("a >", "Encountered \"<EOF>\" at line 1, column 3.\nWas expecting one of:\n    \"NOT\" ...\n    \"TRUE\" ...");
        reasons.put("a NOT b", "Encountered \" \"NOT\" \"NOT \"\" at line 1, column 3.");
        reasons.put("5", "Expression will not result in a boolean value: 5");
        for (Map.Entry<String, String> e : reasons.entrySet()) {
            DefaultMQPushConsumer[] consumer = new DefaultMQPushConsumer[1];
            MQClientException error = assertThrows(MQClientException.class, () -> mq.pushConsumer(mq.group(), c -> {
                consumer[0] = c;
                c.subscribe(topic, MessageSelector.bySql(e.getKey()));
                c.registerMessageListener(new Inbox().concurrently());
            }));
            mq.closeLater(consumer[0]::shutdown);
            assertTrue(error.getMessage().contains(e.getValue()), e.getKey() + ": " + error.getMessage());
            assertEquals(ResponseCode.SUBSCRIPTION_PARSE_FAILED, error.getResponseCode(), e.getKey());
        }
    }

    /** Apache's broker lets everything match where the expression of a pull does not compile. */
    @Test
    void wrongExpressionsInPullsAreRefused() throws Exception {
        assumeTrue(Settings.isAerobee(), "Apache's broker delivers everything");
        String topic = mq.topic(1);
        send(mq.producer(), topic, 0, 10);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultMQPullConsumer consumer = pullConsumer(queue);
        MQBrokerException error = assertThrows(MQBrokerException.class, () -> consumer.pull(queue, MessageSelector.bySql("a > 'b'"), 0, 32));
        assertEquals(ResponseCode.SUBSCRIPTION_PARSE_FAILED, error.getResponseCode());
        assertTrue(error.getErrorMessage().contains("''b'' cannot be compared"), error.getErrorMessage());
    }

    /** A held pull is not answered for each message that it does not want. */
    @Test
    void heldPullWaitsForWhatItWants() throws Exception {
        String topic = mq.topic(1);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultMQProducer producer = mq.producer();
        send(producer, topic, 0, 1);
        DefaultMQPullConsumer consumer = pullConsumer(queue);
        AtomicInteger pulls = new AtomicInteger();
        AtomicReference<PullResult> found = new AtomicReference<>();
        Thread puller = new Thread(() -> {
            try {
                for (long offset = 1; found.get() == null; ) {
                    pulls.incrementAndGet();
                    PullResult r = consumer.pullBlockIfNotFoundWithMessageSelector(queue, MessageSelector.bySql(WANTED), offset, 32);
                    offset = r.getNextBeginOffset();
                    if (r.getPullStatus() == PullStatus.FOUND) {
                        found.set(r);
                    }
                }
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        puller.start();
        Rmq.await("first pull").until(() -> pulls.get() == 1);
        for (int i = 0; i < 200; i++) {
            producer.send(message(topic, "not", "a", "1", "b", "x"), queue);
        }
        producer.send(message(topic, "yes", "a", "6", "b", "x"), queue);
        Rmq.await("the wanted message").until(() -> found.get() != null);
        puller.join();
        assertEquals(List.of("yes"), Rmq.bodies(found.get().getMsgFoundList()));
        assertTrue(pulls.get() < 50, pulls + " pulls for 201 messages");
    }

    /** Tags are compared by their hashes in the broker, and by themselves in the client. */
    @Test
    void tagsWithOneHash() throws Exception {
        assertEquals("Aa".hashCode(), "BB".hashCode());
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        MessageQueue queue = mq.queue(topic, 0);
        for (String tag : List.of("Aa", "BB", "Cc", "Aa")) {
            producer.send(Rmq.message(topic, tag, tag), queue);
        }
        PullMessageRequestHeader header = new PullMessageRequestHeader();
        header.setConsumerGroup(mq.group());
        header.setTopic(topic);
        header.setQueueId(0);
        header.setQueueOffset(0L);
        header.setMaxMsgNums(32);
        header.setSysFlag(4);
        header.setCommitOffset(0L);
        header.setSuspendTimeoutMillis(0L);
        header.setSubVersion(0L);
        header.setSubscription("Aa");
        header.setExpressionType("TAG");
        RemotingCommand request = RemotingCommand.createRequestCommand(RequestCode.PULL_MESSAGE, header);
        try (RawConnection c = new RawConnection(cluster.brokerAddr())) {
            RemotingCommand answer = c.call(request);
            assertEquals(ResponseCode.SUCCESS, answer.getCode(), answer.getRemark());
            List<MessageExt> all = MessageDecoder.decodes(java.nio.ByteBuffer.wrap(answer.getBody()));
            assertEquals(List.of("Aa", "BB", "Aa"), Rmq.bodies(all));
        }
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "Aa");
            c.registerMessageListener(inbox.concurrently());
        });
        producer.send(Rmq.message(topic, "BB", "BB"), queue);
        producer.send(Rmq.message(topic, "Aa", "last"), queue);
        inbox.awaitBodies(List.of("last"));
        assertEquals(List.of("Aa", "Aa", "last"), Rmq.bodies(inbox.asStored()));
    }

    /** A message that failed comes again, whatever the expression is now. */
    @Test
    void failedMessagesComeAgain() throws Exception {
        String topic = mq.topic(1);
        Set<String> failed = ConcurrentHashMap.newKeySet();
        Inbox inbox = new Inbox();
        push(mq.group(), topic, WANTED, (batch, context) -> {
            context.setDelayLevelWhenNextConsume(1);
            if (failed.add(batch.get(0).getMsgId())) {
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            inbox.add(batch);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        List<String> wanted = send(mq.producer(), topic, 0, 10);
        inbox.awaitBodies(wanted);
        assertEquals(wanted.size(), inbox.size());
        assertTrue(inbox.messages().stream().allMatch(m -> m.getReconsumeTimes() == 1));
    }

    @Test
    void subscriptionChanges() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        DefaultMQProducer producer = mq.producer();
        Inbox first = new Inbox();
        DefaultMQPushConsumer consumer = push(group, topic, "a = 1", first.concurrently());
        send(producer, topic, 0, 10);
        first.awaitBodies(List.of("1"));
        consumer.shutdown();
        send(producer, topic, 10, 20);
        Inbox second = new Inbox();
        push(group, topic, "a = 2", second.concurrently());
        send(producer, topic, 20, 30);
        second.awaitBodies(List.of("12", "22"));
        assertEquals(List.of("1"), first.bodies());
        assertTrue(second.bodies().stream().allMatch(b -> b.endsWith("2")), "unwanted messages: " + second.bodies());
    }

    @Test
    void brokerDiesAndStops() throws Exception {
        String topic = mq.topic(1);
        Inbox inbox = new Inbox();
        push(mq.group(), topic, WANTED, inbox.concurrently());
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        List<String> all = new ArrayList<>(send(producer, topic, 0, 50));
        inbox.awaitBodies(all);
        cluster.killBroker();
        cluster.startBroker();
        all.addAll(send(producer, topic, 50, 100));
        inbox.awaitBodies(all);
        cluster.stopBroker();
        cluster.startBroker();
        all.addAll(send(producer, topic, 100, 150));
        inbox.awaitBodies(all);
        assertTrue(all.containsAll(inbox.bodies()), "unwanted messages: " + inbox.bodies());
    }

    @Test
    void withoutPropertyFilter() throws Exception {
        String topic = mq.topic(1);
        send(mq.producer(), topic, 0, 10);
        DefaultMQPullConsumer puller = pullConsumer(mq.queue(topic, 0));
        setPropertyFilter("false");
        try {
            DefaultMQPushConsumer[] consumer = new DefaultMQPushConsumer[1];
            MQClientException error = assertThrows(MQClientException.class, () -> mq.pushConsumer(mq.group(), c -> {
                consumer[0] = c;
                c.subscribe(topic, MessageSelector.bySql(WANTED));
                c.registerMessageListener(new Inbox().concurrently());
            }));
            mq.closeLater(consumer[0]::shutdown);
            assertTrue(error.getMessage().contains("The broker does not support consumer to filter message by SQL92"), error.getMessage());
            MQBrokerException refused = assertThrows(MQBrokerException.class,
                () -> puller.pull(mq.queue(topic, 0), MessageSelector.bySql(WANTED), 0, 32));
            assertEquals(ResponseCode.SYSTEM_ERROR, refused.getResponseCode());
            assertEquals(PullStatus.FOUND, puller.pull(mq.queue(topic, 0), "*", 0, 32).getPullStatus());
        } finally {
            setPropertyFilter("true");
        }
        assertFalse(pullAll(puller, mq.queue(topic, 0), WANTED).isEmpty());
    }

    private void setPropertyFilter(String value) throws Exception {
        Properties p = new Properties();
        p.setProperty("enablePropertyFilter", value);
        mq.admin().updateBrokerConfig(cluster.brokerAddr(), p);
    }
}
