package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A store with every kind of record that Apache's broker writes, handed on to the target and back: batches in one record,
 * light queues, a retry topic with the longest name, checksums in the properties, extended queue files, and pending delays,
 * timers and transactions.
 */
class TakeoverKindsTest {
    private static final String DISPATCH = "INNER_MULTI_DISPATCH";

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    /** What each queue must hold, in order. */
    private final Map<MessageQueue, List<String>> ledger = new LinkedHashMap<>();
    private final AtomicReference<LocalTransactionState> verdict = new AtomicReference<>(LocalTransactionState.UNKNOW);

    private DefaultMQProducer producer;
    private MessageQueue plain;
    private MessageQueue batched;
    private MessageQueue light;
    private MessageQueue otherLight;
    private int rounds;
    private int roundsWithoutKeys;

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    @Timeout(value = 15, unit = TimeUnit.MINUTES) // the real delays of timers, and two starts of Apache's broker
    @ParameterizedTest(name = "killed {0}, extended queues {1}")
    @CsvSource({"false, false", "true, true"})
    void everyKindSurvives(boolean killed, boolean extended) throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard()
            .with("mappedFileSizeCommitLog", "131072")
            .with("mapperFileSizeBatchConsumeQueue", Integer.toString(46 * 20))
            .with("enableLmq", "true")
            .with("enableMultiDispatch", "true")
            .with("enabledAppendPropCRC", "true")
            .with("enableConsumeQueueExt", Boolean.toString(extended))
            .with("transactionTimeOut", "1000")
            .with("transactionCheckInterval", "3000")
            .with("transactionCheckMax", "1000"));
        String group = mq.group();
        producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        plain = mq.queue(mq.topic(1), 0);
        batched = mq.queue(batchTopic(), 0);
        light = new MessageQueue("%LMQ%" + mq.name("a"), cluster.brokerName(), 0);
        otherLight = new MessageQueue("%LMQ%" + mq.name("b"), cluster.brokerName(), 0);
        MessageQueue delayed = mq.queue(mq.topic(1), 0);
        MessageQueue timed = mq.queue(mq.topic(1), 0);
        MessageQueue transacted = mq.queue(mq.topic(1), 0);

        round("first"); // Apache's
        Message m = Rmq.message(delayed.getTopic(), "*", "delayed by Apache");
        m.setDelayTimeLevel(5);
        producer.send(m, delayed);
        m = Rmq.message(timed.getTopic(), "*", "timer");
        m.setDelayTimeSec(75);
        producer.send(m, timed);
        transactionProducer().sendMessageInTransaction(Rmq.message(transacted.getTopic(), "*", "half"), null);
        MessageQueue half = new MessageQueue("RMQ_SYS_TRANS_HALF_TOPIC", cluster.brokerName(), 0);
        MessageQueue timers = new MessageQueue("rmq_sys_wheel_timer", cluster.brokerName(), 0);
        DefaultMQPullConsumer puller = mq.pullConsumer(group);
        check(puller);
        MessageQueue retry = sendBack((mq.group() + "-" + "x".repeat(120)).substring(0, 120));
        puller.updateConsumeOffset(plain, 3);
        puller.getOffsetStore().updateConsumeOffsetToBroker(plain, 3, false);
        assertTrue(puller.maxOffset(half) > 0);
        assertEquals(1, puller.maxOffset(timers));

        handOn(killed); // the target's
        check(puller);
        delivered(puller, retry, "first 0");
        assertTrue(puller.maxOffset(half) > 0);
        assertEquals(1, puller.maxOffset(timers));
        if (!killed) {
            assertEquals(3, puller.fetchConsumeOffset(plain, true));
        }
        round("second");
        m = Rmq.message(delayed.getTopic(), "*", "delayed by the target");
        m.setDelayTimeLevel(5);
        producer.send(m, delayed);
        check(puller);
        puller.getOffsetStore().updateConsumeOffsetToBroker(plain, 4, false);
        assertEquals(4, puller.fetchConsumeOffset(plain, true));

        handOn(killed); // Apache's
        check(puller);
        delivered(puller, retry, "first 0");
        if (!killed) {
            assertEquals(4, puller.fetchConsumeOffset(plain, true));
        }
        round("third");
        verdict.set(LocalTransactionState.COMMIT_MESSAGE);
        check(puller);
        delivered(puller, delayed, "delayed by Apache", "delayed by the target");
        delivered(puller, timed, "timer");
        delivered(puller, transacted, "half");

        handOn(killed); // the target's
        check(puller);
        round("fourth");
        check(puller);
        delivered(puller, timed, "timer");
        delivered(puller, transacted, "half");
    }

    private String batchTopic() throws Exception {
        String topic = mq.newTopicName();
        TopicConfig config = new TopicConfig(topic, 1, 1);
        config.setAttributes(Map.of("+queue.type", "BatchCQ"));
        mq.admin().createAndUpdateTopicConfig(cluster.brokerAddr(), config);
        mq.awaitRoute(topic);
        return topic;
    }

    /** Messages of every kind that needs no waiting. */
    private void round(String who) throws Exception {
        rounds++;
        for (int i = 0; i < 30; i++) {
            send(plain, tagged(plain.getTopic(), who, i));
            send(batched, tagged(batched.getTopic(), who, i));
            List<Message> batch = new ArrayList<>();
            for (int j = 0; j < 3; j++) {
                batch.add(new Message(batched.getTopic(), (who + " " + i + "." + j).getBytes()));
            }
            Rmq.await("batch").ignoreExceptions().until(() -> producer.send(batch, batched), x -> x != null);
            batch.forEach(m -> ledger.computeIfAbsent(batched, q -> new ArrayList<>()).add(new String(m.getBody())));
            Message m = tagged(plain.getTopic(), who, 1000 + i);
            MessageAccessor.putProperty(m, DISPATCH, light.getTopic() + "," + otherLight.getTopic());
            send(plain, m);
            ledger.computeIfAbsent(light, q -> new ArrayList<>()).add(new String(m.getBody()));
            ledger.computeIfAbsent(otherLight, q -> new ArrayList<>()).add(new String(m.getBody()));
        }
    }

    private static Message tagged(String topic, String who, int i) {
        return new Message(topic, i % 3 == 0 ? "fizz" : "other", who, (who + " " + i).getBytes());
    }

    private void send(MessageQueue queue, Message m) throws Exception {
        Rmq.await("send").ignoreExceptions().until(() -> producer.send(m, queue), x -> x != null);
        ledger.computeIfAbsent(queue, q -> new ArrayList<>()).add(new String(m.getBody()));
    }

    private TransactionMQProducer transactionProducer() throws Exception {
        TransactionMQProducer p = new TransactionMQProducer(mq.name("tx"));
        p.setNamesrvAddr(cluster.namesrvAddr());
        p.setHeartbeatBrokerInterval(1_000);
        p.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message msg, Object arg) {
                return LocalTransactionState.UNKNOW;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt msg) {
                return verdict.get();
            }
        });
        p.start();
        mq.closeLater(p::shutdown);
        return p;
    }

    /** Sends the first message back for a group with the longest name, and waits until it is in the retry topic. */
    private MessageQueue sendBack(String group) throws Exception {
        DefaultMQPullConsumer consumer = mq.pullConsumer(group);
        MessageExt first = consumer.pull(plain, "*", 0, 1).getMsgFoundList().get(0);
        MessageQueue retry = new MessageQueue("%RETRY%" + group, cluster.brokerName(), 0);
        consumer.sendMessageBack(first, 1);
        Rmq.await("retry").ignoreExceptions().until(() -> consumer.maxOffset(retry) == 1);
        return retry;
    }

    private void handOn(boolean killed) {
        if (killed) {
            cluster.killBroker();
            roundsWithoutKeys = rounds; // Apache's broker drops its index after a kill, and builds a part of it again
        } else {
            cluster.stopBroker();
        }
        cluster.startBroker();
    }

    private void check(DefaultMQPullConsumer consumer) throws Exception {
        for (Map.Entry<MessageQueue, List<String>> e : ledger.entrySet()) {
            check(consumer, e.getKey(), e.getValue());
        }
        List<String> fizz = ledger.get(plain).stream().filter(b -> Integer.parseInt(b.split(" ")[1]) % 3 == 0).toList();
        assertEquals(fizz, bodies(consumer, plain, "fizz"), "by tag");
        for (String who : List.of("first", "second", "third", "fourth").subList(roundsWithoutKeys, rounds)) {
            assertEquals(60, mq.admin().queryMessage(plain.getTopic(), who, 64, 0, Long.MAX_VALUE).getMessageList().size(), "by key " + who);
        }
    }

    /** A killed broker may deliver once more what it has not noted as delivered. */
    private static void delivered(DefaultMQPullConsumer consumer, MessageQueue queue, String... want) {
        Rmq.await("delivery of " + List.of(want)).atMost(Rmq.LIMIT.multipliedBy(4)).ignoreExceptions()
            .until(() -> Set.copyOf(bodies(consumer, queue, "*")).equals(Set.of(want)));
    }

    private void check(DefaultMQPullConsumer consumer, MessageQueue queue, List<String> want) throws Exception {
        Rmq.await("queue of " + want.size() + ": " + queue).ignoreExceptions().until(() -> consumer.maxOffset(queue) == want.size());
        assertEquals(0, consumer.minOffset(queue));
        assertEquals(want, bodies(consumer, queue, "*"), queue.toString());
    }

    private static List<String> bodies(DefaultMQPullConsumer consumer, MessageQueue queue, String tags) throws Exception {
        List<String> got = new ArrayList<>();
        long end = consumer.maxOffset(queue);
        for (long offset = 0; offset < end;) {
            PullResult r = consumer.pull(queue, tags, offset, 32);
            if (r.getPullStatus() == PullStatus.FOUND) {
                for (MessageExt m : r.getMsgFoundList()) {
                    if (tags.equals("*") && !queue.getTopic().startsWith("%LMQ%")) {
                        assertEquals(got.size(), m.getQueueOffset(), queue + " " + Rmq.body(m));
                    }
                    got.add(Rmq.body(m));
                }
            }
            assertTrue(r.getNextBeginOffset() > offset, r + " at " + offset);
            offset = r.getNextBeginOffset();
        }
        return got;
    }
}
