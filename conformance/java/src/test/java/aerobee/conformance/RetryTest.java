package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.remoting.protocol.route.QueueData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Failed messages come back later and end in the dead letter queue. All delay levels of this broker take one second. */
class RetryTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::strict);

    private static List<MessageExt> synchronizedList() {
        return Collections.synchronizedList(new ArrayList<>());
    }

    /** A group whose retry topic exists, so that its consumers need not wait for a rebalance to find it. */
    private String readyGroup() throws Exception {
        String group = mq.group();
        mq.createTopic("%RETRY%" + group, 1);
        return group;
    }

    @Test
    void aFailedMessageComesBackAfterItsDelay() throws Exception {
        String topic = mq.topic(1);
        List<MessageExt> seen = synchronizedList();
        List<Long> at = Collections.synchronizedList(new ArrayList<>());
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                seen.addAll(batch);
                at.add(System.currentTimeMillis());
                return batch.get(0).getReconsumeTimes() < 2 ? ConsumeConcurrentlyStatus.RECONSUME_LATER
                    : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        });
        SendResult sent = mq.producer().send(Rmq.message(topic, "tag", "retry me"));

        Rmq.await("three deliveries").until(() -> seen.size() == 3);
        for (int i = 0; i < 3; i++) {
            MessageExt m = seen.get(i);
            assertEquals("retry me", Rmq.body(m));
            assertEquals(topic, m.getTopic(), "the listener sees the original topic");
            assertEquals("tag", m.getTags());
            assertEquals(i, m.getReconsumeTimes());
            assertEquals(sent.getMsgId(), m.getMsgId());
        }
        assertNotNull(seen.get(1).getProperty("ORIGIN_MESSAGE_ID"));
        assertEquals(topic, seen.get(1).getProperty("RETRY_TOPIC"));
        // The first retry may wait for the consumer to find the new retry topic, up to one round of its rebalance.
        assertTrue(at.get(1) - at.get(0) >= 900, "first retry after " + (at.get(1) - at.get(0)) + " ms");
        long ms = at.get(2) - at.get(1);
        assertTrue(ms >= 900 && ms < 10_000, "second retry after " + ms + " ms");
    }

    @Test
    void anExceptionInTheListenerIsAFailure() throws Exception {
        String topic = mq.topic(1);
        List<MessageExt> seen = synchronizedList();
        mq.pushConsumer(readyGroup(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                seen.addAll(batch);
                if (batch.get(0).getReconsumeTimes() == 0) {
                    throw new IllegalStateException("on purpose");
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        });
        mq.producer().send(Rmq.message(topic, "*", "x"));
        Rmq.await("second delivery").until(() -> seen.size() == 2);
    }

    @Test
    void onlyTheFailedPartOfABatchComesBack() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 4);
        List<String> again = Collections.synchronizedList(new ArrayList<>());
        mq.pushConsumer(readyGroup(), c -> {
            c.subscribe(topic, "*");
            c.setConsumeMessageBatchMaxSize(4);
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                if (batch.get(0).getReconsumeTimes() > 0) {
                    again.addAll(Rmq.bodies(batch));
                } else if (batch.size() == 4) {
                    context.setAckIndex(1);
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        });
        Rmq.await("two again").until(() -> again.size() == 2);
        assertEquals(List.of("2", "3"), again.stream().sorted().toList());
    }

    @Test
    void afterTheMaximumAMessageIsDead() throws Exception {
        String topic = mq.topic(1);
        String group = readyGroup();
        List<MessageExt> seen = synchronizedList();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.setMaxReconsumeTimes(2);
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                seen.addAll(batch);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        });
        mq.producer().send(Rmq.message(topic, "*", "dead"));

        MessageExt dead = awaitDead(group);
        assertEquals(3, seen.size(), "the first delivery and two retries");
        assertEquals("dead", Rmq.body(dead));
        assertEquals("%DLQ%" + group, dead.getTopic());
        assertEquals(topic, dead.getProperty("RETRY_TOPIC"));
        assertNotNull(dead.getProperty("ORIGIN_MESSAGE_ID"));
        assertEquals(3, dead.getReconsumeTimes());
        QueueData queues = mq.awaitRoute("%DLQ%" + group).getQueueDatas().get(0);
        assertEquals(1, queues.getReadQueueNums());
        assertEquals(6, queues.getPerm());
    }

    private MessageExt awaitDead(String group) throws Exception {
        Inbox inbox = new Inbox();
        mq.awaitRoute("%DLQ%" + group);
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe("%DLQ%" + group, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        return inbox.await(1).get(0);
    }

    @Test
    void aConsumerMaySendToTheDeadLettersAtOnce() throws Exception {
        String topic = mq.topic(1);
        String group = readyGroup();
        List<MessageExt> seen = synchronizedList();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                seen.addAll(batch);
                context.setDelayLevelWhenNextConsume(-1);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        });
        mq.producer().send(Rmq.message(topic, "*", "hopeless"));
        assertEquals(1, awaitDead(group).getReconsumeTimes());
        assertEquals(1, seen.size());
    }

    @Test
    void orderlyConsumerSendsToTheDeadLettersAfterItsMaximum() throws Exception {
        String topic = mq.topic(1);
        String group = readyGroup();
        mq.sendNumbers(mq.producer(), topic, 0, 3);
        Inbox inbox = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.setMaxReconsumeTimes(2);
            c.setSuspendCurrentQueueTimeMillis(50);
            c.registerMessageListener((List<MessageExt> batch, ConsumeOrderlyContext context) -> {
                if (Rmq.body(batch.get(0)).equals("1")) {
                    return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                }
                inbox.add(batch);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        });
        inbox.await(2);
        assertEquals(List.of("0", "2"), inbox.bodies());
        MessageExt dead = awaitDead(group);
        assertEquals("1", Rmq.body(dead));
    }

    @Test
    void broadcastingConsumersDoNotRetry() throws Exception {
        String topic = mq.topic(1);
        List<MessageExt> seen = synchronizedList();
        String group = readyGroup();
        mq.pushConsumer(group, c -> {
            c.setMessageModel(MessageModel.BROADCASTING);
            c.subscribe(topic, "*");
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                seen.addAll(batch);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        });
        mq.producer().send(Rmq.message(topic, "*", "once"));
        Rmq.await("delivery").until(() -> seen.size() == 1);
        mq.producer().send(Rmq.message(topic, "*", "twice"));
        Rmq.await("delivery").until(() -> seen.size() == 2);
        assertEquals(0, mq.admin().maxOffset(mq.queue("%RETRY%" + group, 0)));
    }

    @Test
    void manyFailuresAllComeBack() throws Exception {
        String topic = mq.topic(4);
        Inbox inbox = new Inbox();
        mq.pushConsumer(readyGroup(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                if (batch.get(0).getReconsumeTimes() == 0) {
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
                inbox.add(batch);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        });
        var producer = mq.producer();
        for (int i = 0; i < 100; i++) {
            producer.send(Rmq.message(topic, "*", Integer.toString(i)));
        }
        inbox.awaitBodies(IntStream.range(0, 100).mapToObj(Integer::toString).toList());
    }
}
