package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Finding stored messages: by offset id, by unique id, by key and time range. */
class QueryTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private static Message keyed(String topic, String keys, String body) {
        return new Message(topic, "tag", keys, body.getBytes(StandardCharsets.UTF_8));
    }

    private Set<String> query(String topic, String key, int max, long begin, long end) throws Exception {
        try {
            return new HashSet<>(Rmq.bodies(mq.admin().queryMessage(topic, key, max, begin, end).getMessageList()));
        } catch (MQClientException e) {
            return Set.of(); // "no message" is an exception in this client
        }
    }

    private void awaitKey(String topic, String key, Set<String> bodies) {
        Rmq.await("index of " + key).until(() -> query(topic, key, 64, 0, Long.MAX_VALUE).equals(bodies));
    }

    @Test
    void byOffsetId() throws Exception {
        String topic = mq.topic(2);
        SendResult sent = mq.producer().send(keyed(topic, "k", "find me"), mq.queue(topic, 1));
        MessageExt found = mq.admin().viewMessage(topic, sent.getOffsetMsgId());
        assertEquals("find me", Rmq.body(found));
        assertEquals(topic, found.getTopic());
        assertEquals(1, found.getQueueId());
        assertEquals(sent.getQueueOffset(), found.getQueueOffset());
        assertEquals(sent.getOffsetMsgId(), ((MessageClientExt) found).getOffsetMsgId());
    }

    @Test
    void byUniqueId() throws Exception {
        String topic = mq.topic(2);
        DefaultMQProducer producer = mq.producer();
        producer.send(keyed(topic, "k", "other"));
        SendResult sent = producer.send(keyed(topic, "k", "find me"));
        MessageExt found = Rmq.await("index").ignoreExceptions().until(() -> mq.admin().viewMessage(topic, sent.getMsgId()), m -> m != null);
        assertEquals("find me", Rmq.body(found));
        assertEquals(sent.getMsgId(), found.getMsgId());
    }

    @Test
    void byKey() throws Exception {
        String topic = mq.topic(4);
        DefaultMQProducer producer = mq.producer();
        producer.send(keyed(topic, "order-1 customer-7", "a"));
        producer.send(keyed(topic, "order-2 customer-7", "b"));
        producer.send(keyed(topic, "order-3", "c"));
        awaitKey(topic, "customer-7", Set.of("a", "b"));
        awaitKey(topic, "order-1", Set.of("a"));
        awaitKey(topic, "order-3", Set.of("c"));
        assertEquals(Set.of(), query(topic, "order", 64, 0, Long.MAX_VALUE), "no prefix search");
        assertEquals(Set.of(), query(mq.topic(1), "order-1", 64, 0, Long.MAX_VALUE), "keys belong to a topic");
    }

    @Test
    void keysOfEqualHashAreKeptApart() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        producer.send(keyed(topic, "Aa", "1"));
        producer.send(keyed(topic, "BB", "2"));
        awaitKey(topic, "Aa", Set.of("1"));
        awaitKey(topic, "BB", Set.of("2"));
    }

    @Test
    void byKeyAndTimeRange() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        // The index keeps whole seconds since its file began.
        producer.send(keyed(topic, "k", "early"));
        long border = System.currentTimeMillis() + 2000;
        Rmq.await("two seconds").until(() -> System.currentTimeMillis() > border + 2000);
        producer.send(keyed(topic, "k", "late"));
        awaitKey(topic, "k", Set.of("early", "late"));
        assertEquals(Set.of("early"), query(topic, "k", 64, 0, border));
        assertEquals(Set.of("late"), query(topic, "k", 64, border, Long.MAX_VALUE));
        assertEquals(Set.of(), query(topic, "k", 64, 0, 1000));
    }

    @Test
    void theMaximumIsKept() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 10; i++) {
            producer.send(keyed(topic, "same", Integer.toString(i)));
        }
        Rmq.await("index").until(() -> query(topic, "same", 64, 0, Long.MAX_VALUE).size() == 10);
        QueryResult three = mq.admin().queryMessage(topic, "same", 3, 0, Long.MAX_VALUE);
        assertEquals(List.of("7", "8", "9"), three.getMessageList().stream().map(Rmq::body).sorted().toList(), "the newest");
        assertTrue(three.getIndexLastUpdateTimestamp() > 0);
    }

    @Test
    void whatDoesNotExistIsNotFound() throws Exception {
        String topic = mq.topic(1);
        SendResult sent = mq.producer().send(keyed(topic, "k", "x"));
        String offsetId = sent.getOffsetMsgId();
        assertThrows(Exception.class, () -> mq.admin().viewMessage(topic, offsetId.substring(0, 16) + "7FFFFFFFFFFFFF00"));
        assertThrows(MQClientException.class, () -> mq.admin().queryMessage(topic, "no such key", 32, 0, Long.MAX_VALUE));
    }
}
