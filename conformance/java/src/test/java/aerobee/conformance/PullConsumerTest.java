package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullCallback;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The plain pull consumer: one request, one answer, so that every field of the answer can be looked at. */
class PullConsumerTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    @Test
    void pullTellsTheBoundsAndTheNextOffset() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 10);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        MessageQueue queue = mq.queue(topic, 0);

        PullResult r = consumer.pull(queue, "*", 3, 4);

        assertEquals(PullStatus.FOUND, r.getPullStatus());
        assertEquals(List.of("3", "4", "5", "6"), Rmq.bodies(r.getMsgFoundList()));
        assertEquals(7, r.getNextBeginOffset());
        assertEquals(0, r.getMinOffset());
        assertEquals(10, r.getMaxOffset());
        assertEquals(IntStream.range(3, 7).mapToObj(i -> (long) i).toList(),
            r.getMsgFoundList().stream().map(m -> m.getQueueOffset()).toList());
    }

    @Test
    void offsetsOutsideTheQueueAreCorrected() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 5);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        MessageQueue queue = mq.queue(topic, 0);

        PullResult atEnd = consumer.pull(queue, "*", 5, 32);
        assertEquals(PullStatus.NO_NEW_MSG, atEnd.getPullStatus());
        assertEquals(5, atEnd.getNextBeginOffset());

        PullResult beyond = consumer.pull(queue, "*", 1000, 32);
        assertEquals(PullStatus.OFFSET_ILLEGAL, beyond.getPullStatus());
        assertEquals(5, beyond.getNextBeginOffset());
    }

    @Test
    void anEmptyQueueHasNoNewMessageAtZeroOnly() throws Exception {
        String topic = mq.topic(1);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        MessageQueue queue = mq.queue(topic, 0);
        assertEquals(PullStatus.NO_NEW_MSG, consumer.pull(queue, "*", 0, 32).getPullStatus());
        PullResult r = consumer.pull(queue, "*", 7, 32);
        assertEquals(PullStatus.OFFSET_ILLEGAL, r.getPullStatus());
        assertEquals(0, r.getNextBeginOffset());
    }

    @Test
    void filterSkipsWhatDoesNotMatch() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 6; i++) {
            producer.send(Rmq.message(topic, i == 4 ? "yes" : "no", Integer.toString(i)));
        }
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        MessageQueue queue = mq.queue(topic, 0);
        PullResult found = consumer.pull(queue, "yes || maybe", 0, 32);
        assertEquals(List.of("4"), Rmq.bodies(found.getMsgFoundList()));
        assertEquals(6, found.getNextBeginOffset());

        PullResult none = consumer.pull(queue, "never", 0, 32);
        assertEquals(PullStatus.NO_MATCHED_MSG, none.getPullStatus());
        assertEquals(6, none.getNextBeginOffset());
    }

    @Test
    void queuesThatDoNotExistAreRefused() throws Exception {
        String topic = mq.topic(1);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        mq.sendNumbers(mq.producer(), topic, 0, 1);
        consumer.pull(mq.queue(topic, 0), "*", 0, 1);
        MQBrokerException e = assertThrows(MQBrokerException.class, () -> consumer.pull(mq.queue(topic, 1), "*", 0, 1));
        assertEquals(ResponseCode.INVALID_PARAMETER, e.getResponseCode());
    }

    @Test
    void topicsThatDoNotExistAreRefused() throws Exception {
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        String known = mq.topic(1);
        consumer.pull(mq.queue(known, 0), "*", 0, 1);
        String unknown = mq.newTopicName();
        MQBrokerException e = assertThrows(MQBrokerException.class, () -> consumer.pull(mq.queue(unknown, 0), "*", 0, 1));
        assertEquals(ResponseCode.TOPIC_NOT_EXIST, e.getResponseCode());
    }

    @Test
    void aBlockedPullReturnsWhenAMessageComes() throws Exception {
        String topic = mq.topic(1);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        DefaultMQProducer producer = mq.producer();
        CompletableFuture<PullResult> answer = new CompletableFuture<>();
        consumer.pullBlockIfNotFound(mq.queue(topic, 0), "*", 0, 32, new PullCallback() {
            @Override
            public void onSuccess(PullResult result) {
                answer.complete(result);
            }

            @Override
            public void onException(Throwable e) {
                answer.completeExceptionally(e);
            }
        });
        assertThrows(TimeoutException.class, () -> answer.get(500, TimeUnit.MILLISECONDS));
        producer.send(Rmq.message(topic, "*", "wake up"));
        assertEquals(List.of("wake up"), Rmq.bodies(answer.get(3, TimeUnit.SECONDS).getMsgFoundList()));
    }

    @Test
    void aBlockedPullWithAFilterSleepsThroughOtherTags() throws Exception {
        String topic = mq.topic(1);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        DefaultMQProducer producer = mq.producer();
        AtomicInteger pulls = new AtomicInteger();
        CompletableFuture<PullResult> answer = CompletableFuture.supplyAsync(() -> {
            PullResult r;
            long offset = 0;
            do {
                try {
                    r = consumer.pullBlockIfNotFound(mq.queue(topic, 0), "A", offset, 32);
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
                offset = r.getNextBeginOffset();
                pulls.incrementAndGet();
            } while (r.getPullStatus() != PullStatus.FOUND);
            return r;
        });
        for (int i = 0; i < 5; i++) {
            producer.send(Rmq.message(topic, "B", "b"));
        }
        assertThrows(TimeoutException.class, () -> answer.get(300, TimeUnit.MILLISECONDS));
        producer.send(Rmq.message(topic, "A", "a"));
        assertEquals(List.of("a"), Rmq.bodies(answer.get(10, TimeUnit.SECONDS).getMsgFoundList()));
        // One more at most: what is stored before a pull arrives is skipped at once, and the client asks again.
        assertTrue(pulls.get() <= 6, pulls + " pulls");
    }

    @Test
    void oneAnswerHoldsAtMostThirtyTwoMessagesOrAQuarterMebibyte() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 40);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        assertEquals(32, consumer.pull(mq.queue(topic, 0), "*", 0, 100).getMsgFoundList().size());

        String big = mq.topic(1);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        for (int i = 0; i < 4; i++) {
            producer.send(Rmq.message(big, "*", "x".repeat(100_000)));
        }
        int n = consumer.pull(mq.queue(big, 0), "*", 0, 32).getMsgFoundList().size();
        assertTrue(n >= 1 && n < 4, n + " messages of 100 kB");
    }

    @Test
    void offsetsAreKeptByTheBroker() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.sendNumbers(mq.producer(), topic, 0, 9);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultMQPullConsumer first = mq.pullConsumer(group);
        first.pull(queue, "*", 0, 1);
        first.updateConsumeOffset(queue, 6);
        first.getOffsetStore().updateConsumeOffsetToBroker(queue, 6, false);
        assertEquals(6, mq.pullConsumer(group).fetchConsumeOffset(queue, true));
    }

    @Test
    void queuesOfATopic() throws Exception {
        String topic = mq.topic(3);
        assertEquals(Set.of(mq.queue(topic, 0), mq.queue(topic, 1), mq.queue(topic, 2)),
            mq.pullConsumer(mq.group()).fetchSubscribeMessageQueues(topic));
    }

    @Test
    void aMessageSentBackComesAgain() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.sendNumbers(mq.producer(), topic, 0, 1);
        DefaultMQPullConsumer consumer = mq.pullConsumer(group);
        PullResult r = consumer.pull(mq.queue(topic, 0), "*", 0, 1);
        consumer.sendMessageBack(r.getMsgFoundList().get(0), 1);

        MessageQueue retry = mq.queue("%RETRY%" + group, 0);
        Rmq.await("retry").ignoreExceptions().until(() ->
            consumer.pull(retry, "*", 0, 1).getPullStatus() == PullStatus.FOUND);
        assertEquals(1, consumer.pull(retry, "*", 0, 1).getMsgFoundList().get(0).getReconsumeTimes());
    }
}
