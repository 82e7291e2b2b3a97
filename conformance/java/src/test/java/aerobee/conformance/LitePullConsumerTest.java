package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The lite pull consumer: subscribe or assign, poll, seek, commit. */
class LitePullConsumerTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    /** Polls until n messages came. */
    private static List<MessageExt> poll(DefaultLitePullConsumer consumer, int n) {
        List<MessageExt> got = new ArrayList<>();
        Rmq.await(n + " polled messages").until(() -> {
            got.addAll(consumer.poll(200));
            return got.size() >= n;
        });
        return got;
    }

    private DefaultLitePullConsumer assigned(String group, MessageQueue... queues) throws Exception {
        DefaultLitePullConsumer consumer = mq.litePullConsumer(group, c -> c.setAutoCommit(false));
        consumer.assign(List.of(queues));
        return consumer;
    }

    @Test
    void subscribedConsumerPollsEverything() throws Exception {
        String topic = mq.topic(2);
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 15);
        mq.sendNumbers(producer, topic, 1, 15);
        DefaultLitePullConsumer consumer = mq.litePullConsumer(mq.group(), c -> c.subscribe(topic, "*"));
        List<MessageExt> got = poll(consumer, 30);
        assertEquals(30, got.size());
        assertEquals(Set.of(mq.queue(topic, 0), mq.queue(topic, 1)), consumer.assignment());
        assertEquals(Set.of(mq.queue(topic, 0), mq.queue(topic, 1)), new HashSet<>(consumer.fetchMessageQueues(topic)));
    }

    @Test
    void subscribedConsumersShareTheQueues() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        DefaultLitePullConsumer a = mq.litePullConsumer(group, c -> c.subscribe(topic, "*"));
        DefaultLitePullConsumer b = mq.litePullConsumer(group, c -> c.subscribe(topic, "*"));
        Rmq.await("two queues each").until(() -> a.assignment().size() == 2 && b.assignment().size() == 2);
    }

    @Test
    void assignedConsumerReadsOnlyItsQueue() throws Exception {
        String topic = mq.topic(2);
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 3);
        mq.sendNumbers(producer, topic, 1, 5);
        DefaultLitePullConsumer consumer = assigned(mq.group(), mq.queue(topic, 1));
        List<MessageExt> got = poll(consumer, 5);
        assertEquals(List.of("0", "1", "2", "3", "4"), Rmq.bodies(got));
        assertTrue(got.stream().allMatch(m -> m.getQueueId() == 1));
        assertTrue(consumer.poll(300).isEmpty());
    }

    @Test
    void subscribeAndAssignExcludeEachOther() throws Exception {
        String topic = mq.topic(1);
        DefaultLitePullConsumer consumer = mq.litePullConsumer(mq.group(), c -> c.subscribe(topic, "*"));
        assertThrows(IllegalStateException.class, () -> consumer.assign(List.of(mq.queue(topic, 0))));
    }

    @Test
    void tagFilters() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 10; i++) {
            producer.send(Rmq.message(topic, i % 2 == 0 ? "even" : "odd", Integer.toString(i)));
        }
        DefaultLitePullConsumer consumer = mq.litePullConsumer(mq.group(), c -> c.subscribe(topic, "odd"));
        assertEquals(List.of("1", "3", "5", "7", "9"), Rmq.bodies(poll(consumer, 5)));
    }

    @Test
    void seekForwardsAndBackwards() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 20);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultLitePullConsumer consumer = assigned(mq.group(), queue);
        poll(consumer, 20);

        consumer.seek(queue, 12);
        assertEquals("12", Rmq.body(poll(consumer, 1).get(0)));
        consumer.seek(queue, 2);
        assertEquals("2", Rmq.body(poll(consumer, 1).get(0)));
        consumer.seekToBegin(queue);
        assertEquals("0", Rmq.body(poll(consumer, 1).get(0)));
        consumer.seekToEnd(queue);
        assertTrue(consumer.poll(500).isEmpty());
        mq.producer().send(Rmq.message(topic, "*", "new"), queue);
        assertEquals("new", Rmq.body(poll(consumer, 1).get(0)));
    }

    @Test
    void seekOutsideTheQueueIsRefused() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 5);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultLitePullConsumer consumer = assigned(mq.group(), queue);
        assertThrows(MQClientException.class, () -> consumer.seek(queue, -1));
        assertThrows(MQClientException.class, () -> consumer.seek(queue, 6));
        consumer.seek(queue, 5);
    }

    @Test
    void pausedQueueDeliversNothingUntilResumed() throws Exception {
        String topic = mq.topic(2);
        DefaultMQProducer producer = mq.producer();
        MessageQueue zero = mq.queue(topic, 0);
        MessageQueue one = mq.queue(topic, 1);
        DefaultLitePullConsumer consumer = assigned(mq.group(), zero, one);
        consumer.pause(List.of(zero));
        // A pull that the broker already holds for the paused queue may still bring this message.
        producer.send(Rmq.message(topic, "*", "before"), zero);
        consumer.poll(1000);
        mq.sendNumbers(producer, topic, 0, 3);
        mq.sendNumbers(producer, topic, 1, 3);
        List<MessageExt> got = poll(consumer, 3);
        assertTrue(got.stream().allMatch(m -> m.getQueueId() == 1), Rmq.bodies(got).toString());
        assertTrue(consumer.poll(500).isEmpty());
        consumer.resume(List.of(zero));
        assertTrue(poll(consumer, 3).stream().allMatch(m -> m.getQueueId() == 0));
    }

    @Test
    void committedOffsetIsWhereTheNextConsumerStarts() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.sendNumbers(mq.producer(), topic, 0, 20);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultLitePullConsumer first = assigned(group, queue);
        poll(first, 20);
        first.commit(Map.of(queue, 13L), true);
        Rmq.await("commit").until(() -> first.committed(queue) == 13);
        first.shutdown();

        DefaultLitePullConsumer second = assigned(group, queue);
        assertEquals(13, second.committed(queue));
        assertEquals("13", Rmq.body(poll(second, 1).get(0)));
    }

    @Test
    void autoCommitReachesTheBroker() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.sendNumbers(mq.producer(), topic, 0, 10);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultLitePullConsumer consumer = mq.litePullConsumer(group, c -> {
            c.setAutoCommitIntervalMillis(1000);
            c.setPersistConsumerOffsetInterval(1000);
            c.subscribe(topic, "*");
        });
        poll(consumer, 10);
        Rmq.await("committed offset 10").ignoreExceptions().until(() -> {
            consumer.poll(100);
            return mq.admin().examineConsumeStats(group).getOffsetTable().get(queue).getConsumerOffset() == 10;
        });
    }

    @Test
    void offsetForTimestamp() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        MessageQueue queue = mq.queue(topic, 0);
        mq.sendNumbers(producer, topic, 0, 5);
        long border = Clock.border();
        mq.sendNumbers(producer, topic, 0, 5);
        DefaultLitePullConsumer consumer = assigned(mq.group(), queue);
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(queue) == 10);
        assertEquals(5, consumer.offsetForTimestamp(queue, border));
        assertEquals(0, consumer.offsetForTimestamp(queue, border - 3_600_000));
        assertEquals(10, consumer.offsetForTimestamp(queue, border + 3_600_000));
    }
}
