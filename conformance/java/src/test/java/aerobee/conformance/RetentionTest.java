package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.time.Duration;
import java.time.LocalTime;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of old messages, and what those see who still want them. */
class RetentionTest {
    /** PURGE_TOPIC, a request of aerobee's own. Apache's broker answers that it does not support it. */
    private static final int PURGE_TOPIC = 910001;

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @AfterEach
    void stop() {
        if (cluster != null && cluster != Clusters.shared()) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c)); // after the clients, which would wait for it
        }
    }

    /** Files of 1 MiB that may go at once, but not at this hour of the day. */
    private static Cluster forgetful() {
        String later = String.format("%02d", (LocalTime.now().getHour() + 6) % 24);
        return Clusters.own(ClusterSpec.standard().with("mappedFileSizeCommitLog", "1048576").with("maxMessageSize", "262144")
            .with("fileReservedTime", "0").with("deleteWhen", later).with("cleanResourceInterval", "1000"));
    }

    @Test
    @Timeout(300)
    void anOperatorDeletesExpiredFilesUnderReaders() throws Exception {
        cluster = forgetful();
        String topic = mq.topic(1);
        MessageQueue queue = mq.queue(topic, 0);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 50; i++) {
            byte[] body = new byte[100_000];
            ThreadLocalRandom.current().nextBytes(body); // which does not compress
            Message m = new Message(topic, "", "key" + i, body);
            producer.send(m, queue);
        }
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        assertEquals(PullStatus.FOUND, consumer.pull(queue, "*", 0, 1).getPullStatus(), "nothing goes at this hour");

        String said = MqAdmin.run(cluster, "deleteExpiredCommitLog", "-b", cluster.brokerAddr());
        assertTrue(said.contains("success"), said);

        // Apache's broker looks for the first time a minute after its start.
        Rmq.await("deletion").atMost(Duration.ofSeconds(150)).ignoreExceptions().until(() -> mq.admin().minOffset(queue) >= 30);
        long min = mq.admin().minOffset(queue);
        assertEquals(50, mq.admin().maxOffset(queue), "numbering goes on");
        PullResult early = consumer.pull(queue, "*", 0, 1);
        assertEquals(PullStatus.OFFSET_ILLEGAL, early.getPullStatus());
        assertEquals(min, early.getNextBeginOffset());
        for (long offset = min; offset < 50; offset++) {
            PullResult r = consumer.pull(queue, "*", offset, 1);
            assertEquals(PullStatus.FOUND, r.getPullStatus(), "offset " + offset);
            assertEquals("key" + offset, r.getMsgFoundList().get(0).getKeys());
        }
        assertTrue(mq.admin().earliestMsgStoreTime(queue) > 0);
        Map<String, String> info = mq.admin().fetchBrokerRuntimeStats(cluster.brokerAddr()).getTable();
        assertTrue(Long.parseLong(info.get("commitLogMinOffset")) >= 2 << 20, info.toString());
        assertEquals(50, producer.send(Rmq.message(topic, "*", "next"), queue).getQueueOffset());
    }

    @Test
    void purgedMessagesAreGoneAndConsumersGoOn() throws Exception {
        cluster = Clusters.shared();
        String topic = mq.topic(2);
        String group = mq.group();
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 20);
        SendResult keyed = producer.send(new Message(topic, "", "the-key", new byte[] {1}), mq.queue(topic, 0));
        mq.sendNumbers(producer, topic, 1, 5);
        Rmq.await("index").ignoreExceptions().until(() ->
            !mq.admin().queryMessage(topic, "the-key", 10, 0, Long.MAX_VALUE).getMessageList().isEmpty());

        RemotingCommand request = RemotingCommand.createRequestCommand(PURGE_TOPIC, null);
        request.addExtField("topic", topic);
        request.addExtField("queueId", "0");
        try (RawConnection raw = new RawConnection(cluster.brokerAddr())) {
            RemotingCommand answer = raw.call(request);
            if (answer.getCode() == ResponseCode.REQUEST_CODE_NOT_SUPPORTED) {
                return; // Apache's
            }
            assertEquals(ResponseCode.SUCCESS, answer.getCode(), answer.getRemark());
        }

        MessageQueue purged = mq.queue(topic, 0);
        assertEquals(21, mq.admin().minOffset(purged));
        assertEquals(21, mq.admin().maxOffset(purged));
        assertEquals(0, mq.admin().minOffset(mq.queue(topic, 1)));
        assertEquals(21, mq.admin().searchOffset(purged, 0));
        PullResult early = mq.pullConsumer(mq.group()).pull(purged, "*", 3, 32);
        assertEquals(PullStatus.OFFSET_ILLEGAL, early.getPullStatus());
        assertEquals(21, early.getNextBeginOffset());
        assertTrue(isGone(topic, keyed), "found by its key");

        producer.send(Rmq.message(topic, "*", "new"), purged);
        Inbox inbox = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.awaitBodies(List.of("new", "0", "1", "2", "3", "4"));
    }

    private boolean isGone(String topic, SendResult sent) throws Exception {
        try {
            return mq.admin().queryMessage(topic, "the-key", 10, 0, Long.MAX_VALUE).getMessageList().isEmpty();
        } catch (org.apache.rocketmq.client.exception.MQClientException e) {
            return true;
        }
    }

    /** The unit of reserve.time is the hour, so that only its absence of effect on young messages can be waited for. */
    @Test
    void aTopicHasItsOwnReserveTime() throws Exception {
        cluster = Clusters.shared();
        String topic = mq.topic(1);
        TopicConfig config = new TopicConfig(topic, 1, 1);
        config.setAttributes(Map.of("+reserve.time", "1"));
        try {
            mq.admin().createAndUpdateTopicConfig(cluster.brokerAddr(), config);
        } catch (MQBrokerException e) {
            assertTrue(e.getErrorMessage().contains("reserveTime not supported"), e.getErrorMessage());
            return; // Apache's, whose tiered store alone has it
        }
        assertEquals("1", mq.admin().examineTopicConfig(cluster.brokerAddr(), topic).getAttributes().get("reserve.time"));
        mq.sendNumbers(mq.producer(), topic, 0, 3);
        PullResult r = mq.pullConsumer(mq.group()).pull(mq.queue(topic, 0), "*", 0, 32);
        assertEquals(List.of("0", "1", "2"), Rmq.bodies(r.getMsgFoundList()));
    }
}
