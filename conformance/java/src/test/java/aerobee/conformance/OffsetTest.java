package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Minimum, maximum, and the offset that belongs to a time. */
class OffsetTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    @Test
    void emptyAndUnknownQueuesAreZero() throws Exception {
        MessageQueue queue = mq.queue(mq.topic(1), 0);
        DefaultMQAdminExt admin = mq.admin();
        assertEquals(0, admin.minOffset(queue));
        assertEquals(0, admin.maxOffset(queue));
        assertEquals(0, admin.searchOffset(queue, System.currentTimeMillis()));
    }

    @Test
    void boundsOfAQueue() throws Exception {
        String topic = mq.topic(2);
        long before = System.currentTimeMillis();
        mq.sendNumbers(mq.producer(), topic, 1, 17);
        DefaultMQAdminExt admin = mq.admin();
        Rmq.await("dispatch").until(() -> admin.maxOffset(mq.queue(topic, 1)) == 17);
        assertEquals(0, admin.minOffset(mq.queue(topic, 1)));
        assertEquals(0, admin.maxOffset(mq.queue(topic, 0)));
        long earliest = admin.earliestMsgStoreTime(mq.queue(topic, 1));
        assertTrue(earliest >= before && earliest <= System.currentTimeMillis(), earliest + " not after " + before);
    }

    @Test
    void timeToOffset() throws Exception {
        String topic = mq.topic(1);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultMQProducer producer = mq.producer();
        DefaultMQAdminExt admin = mq.admin();
        List<Long> storedAt = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            SendResult r = producer.send(Rmq.message(topic, "*", "m" + i), queue);
            MessageExt stored = admin.viewMessage(topic, r.getOffsetMsgId());
            storedAt.add(stored.getStoreTimestamp());
            Clock.border();
        }
        Rmq.await("dispatch").until(() -> admin.maxOffset(queue) == 6);
        for (int i = 0; i < 6; i++) {
            long t = storedAt.get(i);
            assertEquals(i, lower(queue, t), "exactly at message " + i);
            assertEquals(i, upper(queue, t), "exactly at message " + i);
            assertEquals(i + 1, lower(queue, t + 1), "just after message " + i);
            assertEquals(Math.min(i, 5), upper(queue, t + 1), "just after message " + i);
        }
        assertEquals(0, lower(queue, storedAt.get(0) - 1000));
        assertEquals(0, upper(queue, storedAt.get(0) - 1000));
        assertEquals(6, lower(queue, storedAt.get(5) + 3_600_000));
        assertEquals(5, upper(queue, storedAt.get(5) + 3_600_000));
    }

    @Test
    void messagesOfOneMillisecond() throws Exception {
        String topic = mq.topic(1);
        MessageQueue queue = mq.queue(topic, 0);
        // One batch is one append: all records carry the same store time.
        mq.producer().send(List.of(Rmq.message(topic, "*", "a"), Rmq.message(topic, "*", "b"), Rmq.message(topic, "*", "c")));
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(queue) == 3);
        MessageExt first = mq.pullConsumer(mq.group()).pull(queue, "*", 0, 1).getMsgFoundList().get(0);
        assertEquals(0, lower(queue, first.getStoreTimestamp()));
        assertEquals(2, upper(queue, first.getStoreTimestamp()));
    }

    private long lower(MessageQueue queue, long t) throws Exception {
        return mq.admin().searchLowerBoundaryOffset(queue, t);
    }

    private long upper(MessageQueue queue, long t) throws Exception {
        return mq.admin().searchUpperBoundaryOffset(queue, t);
    }
}
