package aerobee.conformance.java4;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What every client since 4.3.0 does: send in all ways, batches, push, orderly, pull, retry, delay. */
class OldClientTest {
    private static final AtomicInteger COUNTER = new AtomicInteger();
    private static final String RUN = Integer.toString(ThreadLocalRandom.current().nextInt(36 * 36 * 36), 36);

    private final Cluster cluster = Clusters.shared();
    private final Deque<Runnable> closers = new ArrayDeque<>();

    @AfterEach
    void close() {
        while (!closers.isEmpty()) {
            closers.pop().run();
        }
    }

    private static ConditionFactory await(String what) {
        return Awaitility.await(what).atMost(Duration.ofSeconds(40)).pollInterval(Duration.ofMillis(50));
    }

    private static String name(String kind) {
        return kind + "-old-" + RUN + COUNTER.incrementAndGet();
    }

    private static Message message(String topic, String tag, String body) {
        return new Message(topic, tag, body.getBytes(StandardCharsets.UTF_8));
    }

    private static String body(MessageExt m) {
        return new String(m.getBody(), StandardCharsets.UTF_8);
    }

    private static List<String> numbers(int n) {
        return IntStream.range(0, n).mapToObj(Integer::toString).collect(Collectors.toList());
    }

    private DefaultMQProducer producer() throws Exception {
        DefaultMQProducer p = new DefaultMQProducer(name("p"));
        p.setNamesrvAddr(cluster.namesrvAddr());
        p.setInstanceName(name("i"));
        p.setSendMsgTimeout(10_000);
        p.setCreateTopicKey("TBW102"); // 4.3.0 alone asks for AUTO_CREATE_TOPIC_KEY, which no broker registers
        p.start();
        closers.push(p::shutdown);
        return p;
    }

    /** A topic that the first send makes, as old applications do it. */
    private String createdTopic(DefaultMQProducer producer) throws Exception {
        String topic = name("t");
        SendResult r = producer.send(message(topic, "first", "first"));
        assertEquals(SendStatus.SEND_OK, r.getSendStatus());
        await("route").ignoreExceptions().until(() -> producer.fetchPublishMessageQueues(topic).size() == 4);
        return topic;
    }

    private DefaultMQPushConsumer push(String topic, String tags) throws Exception {
        DefaultMQPushConsumer c = new DefaultMQPushConsumer(name("g"));
        c.setNamesrvAddr(cluster.namesrvAddr());
        c.setInstanceName(name("i"));
        c.setHeartbeatBrokerInterval(1_000);
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.subscribe(topic, tags);
        return c;
    }

    private void start(DefaultMQPushConsumer c) throws Exception {
        c.start();
        closers.push(c::shutdown);
    }

    @Test
    void sendsAndPushConsumption() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = createdTopic(producer);
        for (int i = 0; i < 10; i++) {
            producer.send(message(topic, "A", Integer.toString(i)));
            producer.sendOneway(message(topic, "B", "oneway" + i));
        }
        CountDownLatch done = new CountDownLatch(10);
        for (int i = 0; i < 10; i++) {
            producer.send(message(topic, "A", "async" + i), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    done.countDown();
                }

                @Override
                public void onException(Throwable e) {
                    // The latch then times out.
                }
            });
        }
        assertTrue(done.await(30, TimeUnit.SECONDS));
        List<MessageExt> got = new CopyOnWriteArrayList<>();
        DefaultMQPushConsumer c = push(topic, "A || B");
        c.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            got.addAll(batch);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        start(c);
        await("30 messages").until(() -> got.size() == 30);
        Set<String> bodies = got.stream().map(OldClientTest::body).collect(Collectors.toSet());
        assertTrue(bodies.containsAll(numbers(10)));
        assertTrue(bodies.contains("oneway9") && bodies.contains("async9"));
    }

    @Test
    void batchesAndCompression() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = createdTopic(producer);
        List<Message> batch = new ArrayList<>();
        for (String n : numbers(20)) {
            batch.add(message(topic, "batch", n));
        }
        assertEquals(SendStatus.SEND_OK, producer.send(batch).getSendStatus());
        producer.send(message(topic, "big", "x".repeat(50_000)));
        List<MessageExt> got = new CopyOnWriteArrayList<>();
        DefaultMQPushConsumer c = push(topic, "batch || big");
        c.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            got.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        start(c);
        await("21 messages").until(() -> got.size() == 21);
        assertTrue(got.stream().anyMatch(m -> m.getBody().length == 50_000));
    }

    @Test
    void orderlyConsumption() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = createdTopic(producer);
        for (String n : numbers(60)) {
            producer.send(message(topic, "ordered", n), (queues, m, arg) -> queues.get(2), null);
        }
        List<String> got = new CopyOnWriteArrayList<>();
        DefaultMQPushConsumer c = push(topic, "ordered");
        AtomicInteger refusals = new AtomicInteger();
        c.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            if (body(batch.get(0)).equals("30") && refusals.incrementAndGet() < 2) {
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            batch.forEach(m -> got.add(body(m)));
            return ConsumeOrderlyStatus.SUCCESS;
        });
        start(c);
        await("60 messages").until(() -> got.size() >= 60);
        assertEquals(numbers(60), got);
    }

    @Test
    void pullConsumption() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = createdTopic(producer);
        DefaultMQPullConsumer c = new DefaultMQPullConsumer(name("g"));
        c.setNamesrvAddr(cluster.namesrvAddr());
        c.setInstanceName(name("i"));
        c.start();
        closers.push(c::shutdown);
        MessageQueue queue = c.fetchSubscribeMessageQueues(topic).iterator().next();
        long begin = c.maxOffset(queue);
        for (String n : numbers(8)) {
            producer.send(message(topic, "pull", n), queue);
        }
        PullResult r = c.pullBlockIfNotFound(queue, "pull", begin, 32);
        assertEquals(PullStatus.FOUND, r.getPullStatus());
        List<String> got = r.getMsgFoundList().stream().map(OldClientTest::body).collect(Collectors.toList());
        assertEquals(numbers(8).subList(0, got.size()), got);
        await("all").until(() -> c.maxOffset(queue) == begin + 8);
        assertEquals(8, c.pull(queue, "*", begin, 32).getMsgFoundList().size());
        assertEquals(PullStatus.NO_NEW_MSG, c.pull(queue, "*", begin + 8, 32).getPullStatus());
        assertTrue(c.searchOffset(queue, System.currentTimeMillis() + 60_000) == begin + 8);
    }

    @Test
    void retriesAndDelays() throws Exception {
        DefaultMQProducer producer = producer();
        String topic = createdTopic(producer);
        List<MessageExt> got = new CopyOnWriteArrayList<>();
        DefaultMQPushConsumer c = push(topic, "retry || delay");
        c.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            got.addAll(batch);
            context.setDelayLevelWhenNextConsume(1);
            return body(batch.get(0)).equals("again") && batch.get(0).getReconsumeTimes() < 2
                ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        start(c);
        producer.send(message(topic, "retry", "again"));
        Message delayed = message(topic, "delay", "later");
        delayed.setDelayTimeLevel(1);
        long sent = System.currentTimeMillis();
        producer.send(delayed);
        await("three deliveries and the delayed one").until(() -> got.size() == 4);
        Set<Integer> times = new HashSet<>();
        for (MessageExt m : got) {
            assertEquals(topic, m.getTopic());
            if (body(m).equals("again")) {
                times.add(m.getReconsumeTimes());
            } else {
                assertTrue(m.getStoreTimestamp() - sent >= 950, "delayed");
            }
        }
        assertEquals(Set.of(0, 1, 2), times);
    }
}
