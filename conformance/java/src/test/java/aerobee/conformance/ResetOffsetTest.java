package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Setting a group back or forward to a time, to the millisecond, while it consumes and while it does not. */
class ResetOffsetTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    /** Sends n messages with at least two milliseconds between them; returns their store times. */
    private List<Long> sendApart(String topic, int queueId, int n) throws Exception {
        DefaultMQProducer producer = mq.producer();
        List<Long> times = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            SendResult r = producer.send(Rmq.message(topic, "*", Integer.toString(i)), mq.queue(topic, queueId));
            times.add(mq.admin().viewMessage(topic, r.getOffsetMsgId()).getStoreTimestamp());
            Clock.border();
        }
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(topic, queueId)) == n);
        return times;
    }

    private long committed(String group, MessageQueue queue) throws Exception {
        return mq.admin().examineConsumeStats(group).getOffsetTable().get(queue).getConsumerOffset();
    }

    private static List<String> range(int from, int to) {
        return IntStream.range(from, to).mapToObj(Integer::toString).toList();
    }

    @Test
    void backwardsWhileTheConsumerRuns() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        List<Long> times = sendApart(topic, 0, 10);
        Inbox inbox = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.setPersistConsumerOffsetInterval(1000);
            c.registerMessageListener(inbox.orderly());
        });
        inbox.await(10);
        Rmq.await("commit").ignoreExceptions().until(() -> committed(group, mq.queue(topic, 0)) == 10);

        Map<MessageQueue, Long> reset = mq.admin().resetOffsetByTimestamp(topic, group, times.get(6), true);
        assertEquals(6, reset.get(mq.queue(topic, 0)));

        mq.producer().send(Rmq.message(topic, "*", "wake the waiting pull"), mq.queue(topic, 0));
        Rmq.await("messages again").until(() -> inbox.bodies().subList(10, inbox.size()).containsAll(range(6, 10)));
        assertTrue(inbox.bodies().subList(10, inbox.size()).stream().noneMatch(range(0, 6)::contains), inbox.bodies().toString());
    }

    @Test
    void toTheMillisecondForAGroupThatIsNotThere() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        MessageQueue queue = mq.queue(topic, 0);
        List<Long> times = sendApart(topic, 0, 8);
        DefaultMQAdminExt admin = mq.admin();
        admin.createAndUpdateSubscriptionGroupConfig(mq.cluster().brokerAddr(), groupConfig(group));
        for (int i : List.of(7, 3, 0, 5)) {
            assertEquals(i, admin.resetOffsetByTimestamp(topic, group, times.get(i), true).get(queue), "at message " + i);
            assertEquals(i + 1, admin.resetOffsetByTimestamp(topic, group, times.get(i) + 1, true).get(queue), "after message " + i);
        }
        admin.resetOffsetByTimestamp(topic, group, times.get(4), true);

        Inbox after = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(after.concurrently());
        });
        after.awaitBodies(range(4, 8));
        assertTrue(after.bodies().stream().noneMatch(range(0, 4)::contains), after.bodies().toString());
    }

    @Test
    void forwardsSkipsTheBacklog() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        List<Long> times = sendApart(topic, 0, 10);
        mq.admin().createAndUpdateSubscriptionGroupConfig(mq.cluster().brokerAddr(), groupConfig(group));
        assertEquals(8, mq.admin().resetOffsetByTimestamp(topic, group, times.get(8), true).get(mq.queue(topic, 0)));
        Inbox inbox = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.await(2);
        assertEquals(List.of("8", "9"), inbox.bodies().stream().sorted().toList());
    }

    @Test
    void toTheEndSkipsEverything() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        sendApart(topic, 0, 5);
        mq.admin().createAndUpdateSubscriptionGroupConfig(mq.cluster().brokerAddr(), groupConfig(group));
        Map<MessageQueue, Long> reset = mq.admin().resetOffsetByTimestamp(topic, group, -1, true);
        assertEquals(Map.of(mq.queue(topic, 0), 5L, mq.queue(topic, 1), 0L), reset);
        Inbox inbox = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        mq.producer().send(Rmq.message(topic, "*", "new"), mq.queue(topic, 0));
        inbox.await(1);
        assertEquals(List.of("new"), inbox.bodies());
    }

    @Test
    void severalQueuesEachToItsOwnOffset() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        sendApart(topic, 0, 3);
        long border = Clock.border();
        sendApart(topic, 1, 4);
        mq.admin().createAndUpdateSubscriptionGroupConfig(mq.cluster().brokerAddr(), groupConfig(group));
        assertEquals(Map.of(mq.queue(topic, 0), 3L, mq.queue(topic, 1), 0L),
            mq.admin().resetOffsetByTimestamp(topic, group, border, true));
    }

    private static SubscriptionGroupConfig groupConfig(String group) {
        var config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        return config;
    }
}
