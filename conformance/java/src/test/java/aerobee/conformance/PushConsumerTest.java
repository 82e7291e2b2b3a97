package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Push consumers: clustering and broadcasting, filters by tag, where they start, what they commit. */
class PushConsumerTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private Inbox consumer(String group, String topic, String expression) throws Exception {
        Inbox inbox = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, expression);
            c.registerMessageListener(inbox.concurrently());
        });
        return inbox;
    }

    private static List<String> numbers(int n) {
        return IntStream.range(0, n).mapToObj(Integer::toString).toList();
    }

    @Test
    void newMessagesArriveAtOnceThroughTheLongPoll() throws Exception {
        String topic = mq.topic(1);
        Inbox inbox = consumer(mq.group(), topic, "*");
        DefaultMQProducer producer = mq.producer();
        producer.send(Rmq.message(topic, "*", "warm up"));
        inbox.await(1);
        List<Long> latencies = new ArrayList<>();
        for (int i = 2; i <= 12; i++) {
            long sent = System.nanoTime();
            producer.send(Rmq.message(topic, "*", "m" + i));
            inbox.await(i);
            latencies.add((System.nanoTime() - sent) / 1_000_000);
        }
        latencies.sort(null);
        assertTrue(latencies.get(latencies.size() / 2) < 1000, "latencies in ms: " + latencies);
        // Apache's broker now and then misses a message that arrives while it is about to hold the pull; its check of the held
        // pulls every five seconds then finds it.
        assertTrue(latencies.get(latencies.size() - 1) < 8000, "latencies in ms: " + latencies);
    }

    @Test
    void clusteringConsumersShareTheMessages() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        Inbox a = consumer(group, topic, "*");
        Inbox b = consumer(group, topic, "*");
        Rmq.await("both in the group").ignoreExceptions().until(
            () -> mq.admin().examineConsumerConnectionInfo(group).getConnectionSet().size() == 2);
        awaitQueuesOfEach(group, 2, 2);

        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 100; i++) {
            producer.send(Rmq.message(topic, "*", Integer.toString(i)));
        }
        Rmq.await("100 messages").until(() -> a.size() + b.size() >= 100);
        assertEquals(50, a.size());
        assertEquals(50, b.size());
        Set<String> all = new HashSet<>(a.bodies());
        all.addAll(b.bodies());
        assertEquals(new HashSet<>(numbers(100)), all);
    }

    /** Waits until every consumer of the group holds that many queues of the topic. */
    private void awaitQueuesOfEach(String group, int consumers, int queues) {
        Rmq.await("rebalance").ignoreExceptions().until(() -> mq.admin().examineConsumerConnectionInfo(group).getConnectionSet()
            .stream().filter(c -> {
                try {
                    return mq.admin().getConsumerRunningInfo(group, c.getClientId(), false).getMqTable().keySet().stream()
                        .filter(q -> !q.getTopic().startsWith("%RETRY%")).count() == queues;
                } catch (Exception e) {
                    return false;
                }
            }).count() == consumers);
    }

    @Test
    void groupsAreIndependent() throws Exception {
        String topic = mq.topic(2);
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 10);
        Inbox a = consumer(mq.group(), topic, "*");
        Inbox b = consumer(mq.group(), topic, "*");
        a.awaitBodies(numbers(10));
        b.awaitBodies(numbers(10));
    }

    @Test
    void broadcastingConsumersAllGetEverything() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        Inbox[] inboxes = {new Inbox(), new Inbox()};
        for (Inbox inbox : inboxes) {
            mq.pushConsumer(group, c -> {
                c.setMessageModel(MessageModel.BROADCASTING);
                c.subscribe(topic, "*");
                c.registerMessageListener(inbox.concurrently());
            });
        }
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 20; i++) {
            producer.send(Rmq.message(topic, "*", Integer.toString(i)));
        }
        inboxes[0].await(20);
        inboxes[1].await(20);
        assertEquals(new HashSet<>(numbers(20)), new HashSet<>(inboxes[0].bodies()));
        assertEquals(new HashSet<>(numbers(20)), new HashSet<>(inboxes[1].bodies()));
    }

    @Test
    void tagFilterDeliversOnlyWhatMatches() throws Exception {
        String topic = mq.topic(2);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 30; i++) {
            producer.send(Rmq.message(topic, List.of("A", "B", "*").get(i % 3), Integer.toString(i)));
        }
        Inbox onlyA = consumer(mq.group(), topic, "A");
        Inbox aOrB = consumer(mq.group(), topic, " A || B ");
        Inbox all = consumer(mq.group(), topic, "*");
        onlyA.await(10);
        aOrB.await(20);
        all.await(30);
        assertTrue(onlyA.messages().stream().allMatch(m -> m.getTags().equals("A")));
        assertTrue(aOrB.messages().stream().allMatch(m -> Set.of("A", "B").contains(m.getTags())));
    }

    @Test
    void tagsOfEqualHashAreKeptApart() throws Exception {
        assertEquals("Aa".hashCode(), "BB".hashCode());
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 20; i++) {
            producer.send(Rmq.message(topic, i % 2 == 0 ? "Aa" : "BB", Integer.toString(i)));
        }
        Inbox inbox = consumer(mq.group(), topic, "Aa");
        inbox.await(10);
        assertTrue(inbox.messages().stream().allMatch(m -> m.getTags().equals("Aa")));
    }

    @Test
    void filteredMessagesCountAsConsumed() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.sendNumbers(mq.producer(), topic, 0, 50);
        consumer(group, topic, "NoSuchTag");
        Rmq.await("offset behind the last message").ignoreExceptions().until(() ->
            mq.admin().examineConsumeStats(group).getOffsetTable().get(mq.queue(topic, 0)).getConsumerOffset() == 50);
    }

    @Test
    void offsetsAreCommittedAndTheNextConsumerGoesOnThere() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 10);
        Inbox first = new Inbox();
        DefaultMQPushConsumer consumer = mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(first.concurrently());
        });
        first.await(10);
        Rmq.await("nothing in work").until(() -> consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl()
            .getProcessQueueTable().values().stream().allMatch(q -> q.getMsgCount().get() == 0));
        consumer.shutdown();
        Rmq.await("commit").ignoreExceptions().until(() ->
            mq.admin().examineConsumeStats(group).getOffsetTable().get(mq.queue(topic, 0)).getConsumerOffset() == 10);

        producer.send(Rmq.message(topic, "*", "next"), mq.queue(topic, 0));
        Inbox second = consumer(group, topic, "*");
        second.await(1);
        assertEquals(List.of("next"), second.bodies());
    }

    @Test
    void startFromATimestamp() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 3);
        // The setting has a resolution of one second.
        long border = (System.currentTimeMillis() / 1000 + 1) * 1000;
        Rmq.await("the next second").until(() -> System.currentTimeMillis() >= border);
        producer.send(Rmq.message(topic, "*", "later"), mq.queue(topic, 0));

        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_TIMESTAMP);
            c.setConsumeTimestamp(new SimpleDateFormat("yyyyMMddHHmmss").format(border));
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.awaitBodies(List.of("later"));
        // A broker whose queue is young answers 0 before the policy is asked; then everything comes.
        assertTrue(inbox.size() == 1 || inbox.bodies().containsAll(List.of("0", "1", "2")), inbox.bodies().toString());
    }

    @Test
    void newGroupOnAYoungQueueStartsAtZeroWhateverItAsksFor() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 3);
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.await(3);
    }

    @Test
    void severalTopicsInOneConsumer() throws Exception {
        String one = mq.topic(1);
        String two = mq.topic(1);
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(one, "*");
            c.subscribe(two, "x");
            c.registerMessageListener(inbox.concurrently());
        });
        DefaultMQProducer producer = mq.producer();
        producer.send(Rmq.message(one, "*", "1"));
        producer.send(Rmq.message(two, "y", "not this"));
        producer.send(Rmq.message(two, "x", "2"));
        inbox.await(2);
        assertEquals(Set.of("1", "2"), new HashSet<>(inbox.bodies()));
    }

    @Test
    void subscriptionChangesWhileRunning() throws Exception {
        String topic = mq.topic(1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "A");
            c.registerMessageListener(inbox.concurrently());
        });
        DefaultMQProducer producer = mq.producer();
        producer.send(Rmq.message(topic, "A", "a1"));
        inbox.await(1);
        consumer.subscribe(topic, "B");
        Rmq.await("the new filter works").until(() -> {
            producer.send(Rmq.message(topic, "B", "b"));
            return inbox.bodies().contains("b");
        });
    }

    @Test
    void suspendedConsumerGetsNothingUntilResumed() throws Exception {
        String topic = mq.topic(1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        DefaultMQProducer producer = mq.producer();
        producer.send(Rmq.message(topic, "*", "0"));
        inbox.await(1);
        consumer.suspend();
        producer.send(Rmq.message(topic, "*", "1")); // the pull that already waits may still bring this one
        consumer.resume();
        inbox.awaitBodies(List.of("0", "1"));
    }

    @Test
    void batchesReachTheListener() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 64);
        Inbox inbox = new Inbox();
        Set<Integer> sizes = ConcurrentHashMap.newKeySet();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.setConsumeMessageBatchMaxSize(16);
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                sizes.add(batch.size());
                inbox.add(batch);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        });
        inbox.await(64);
        assertEquals(Set.of(16), sizes);
    }

    @Test
    void consumeStatsKnowTheBacklog() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 3);
        consumer(group, topic, "*").await(3);
        Rmq.await("offsets").ignoreExceptions().until(() -> {
            Map<MessageQueue, ?> table = mq.admin().examineConsumeStats(group, topic).getOffsetTable();
            return table.size() == 2 && mq.admin().examineConsumeStats(group, topic).computeTotalDiff() == 0;
        });
        assertEquals(3, mq.admin().examineConsumeStats(group, topic).getOffsetTable().get(mq.queue(topic, 0)).getBrokerOffset());
    }
}
