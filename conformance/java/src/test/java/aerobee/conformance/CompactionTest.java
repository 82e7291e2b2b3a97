package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Topics with cleanup.policy=COMPACTION: of each key the latest message stays, at its offset. */
@Timeout(300)
class CompactionTest {
    private static final int KEYS = 10;

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    /** What was acknowledged, by offset. */
    private final List<String> sent = new ArrayList<>();
    private DefaultMQPullConsumer reader;
    private final Map<String, Integer> latest = new HashMap<>();

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    /** Files of some 90 messages, compacted every two seconds. */
    private static ClusterSpec busy() {
        return ClusterSpec.standard().withSyncFlush().with("compactionCqMappedFileSize", "4600").with("compactionMappedFileSize", "23000")
            .with("compactionScheduleInternal", "2000");
    }

    private String topic() throws Exception {
        String topic = mq.newTopicName();
        Rmq.await("topic").until(() -> MqAdmin.run(cluster, "updateTopic", "-b", cluster.brokerAddr(), "-t", topic, "-r", "1", "-w", "1",
            "-a", "+cleanup.policy=COMPACTION").contains("success"));
        mq.awaitRoute(topic);
        return topic;
    }

    private void send(DefaultMQProducer producer, String topic, int n) {
        for (int i = 0; i < n; i++) {
            int offset = sent.size();
            String key = "key" + offset % KEYS;
            Message m = new Message(topic, "tag", key, ("value " + offset).getBytes(StandardCharsets.UTF_8));
            SendResult r = Rmq.await("send").ignoreExceptions().until(() -> producer.send(m, mq.queue(topic, 0)),
                x -> x != null && x.getSendStatus() == SendStatus.SEND_OK);
            while (sent.size() < r.getQueueOffset()) { // a copy of a message whose answer got lost
                sent.add("value " + offset);
            }
            assertEquals(sent.size(), r.getQueueOffset());
            sent.add("value " + offset);
            latest.put(key, sent.size() - 1);
        }
    }

    /** Reads the queue from the beginning to its end. */
    private List<MessageExt> everything(String topic) throws Exception {
        if (reader == null) { // one for all: starting one costs threads
            reader = mq.pullConsumer(mq.group());
        }
        List<MessageExt> all = new ArrayList<>();
        for (long offset = 0; offset < sent.size();) {
            PullResult r = reader.pull(mq.queue(topic, 0), "*", offset, 32);
            assertTrue(r.getNextBeginOffset() > offset || r.getPullStatus() == PullStatus.NO_NEW_MSG, offset + ": " + r);
            if (r.getPullStatus() == PullStatus.FOUND) {
                all.addAll(r.getMsgFoundList());
            } else if (r.getPullStatus() == PullStatus.NO_NEW_MSG) {
                break;
            }
            offset = r.getNextBeginOffset();
        }
        return all;
    }

    /** Waits for a compaction and checks what is left. */
    private void check(String topic, int atMost) throws Exception {
        Rmq.await("compaction to " + atMost).atMost(Duration.ofSeconds(60)).ignoreExceptions().pollInterval(Duration.ofMillis(500))
            .until(() -> {
                List<MessageExt> now = everything(topic);
                return now.size() <= atMost && now.stream().anyMatch(m -> m.getQueueOffset() == sent.size() - 1);
            });
        List<MessageExt> left = everything(topic);
        Map<String, Integer> seen = new HashMap<>();
        long before = -1;
        for (MessageExt m : left) {
            assertTrue(m.getQueueOffset() > before, m.getQueueOffset() + " after " + before);
            before = m.getQueueOffset();
            assertEquals(sent.get((int) before), Rmq.body(m), "offset " + before);
            seen.put(m.getKeys(), (int) before);
        }
        assertEquals(latest, seen);
    }

    @Test
    void theLatestValuesRemainAtTheirOffsets() throws Exception {
        cluster = Clusters.own(busy());
        String topic = topic();
        DefaultMQProducer producer = mq.producer();
        MQBrokerException refused = assertThrows(MQBrokerException.class, () -> producer.send(Rmq.message(topic, "*", "no key")));
        assertEquals(ResponseCode.MESSAGE_ILLEGAL, refused.getResponseCode());
        assertTrue(refused.getErrorMessage().contains("Required message key is missing"), refused.getErrorMessage());

        send(producer, topic, 500);
        check(topic, 200);
        assertEquals(500, mq.admin().maxOffset(mq.queue(topic, 0)));
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "tag");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.awaitBodies(latest.values().stream().map(sent::get).toList());
        send(producer, topic, 300);
        check(topic, 200);
        inbox.awaitBodies(latest.values().stream().map(sent::get).toList());
    }

    @Test
    void restartsChangeNothing() throws Exception {
        cluster = Clusters.own(busy());
        String topic = topic();
        DefaultMQProducer producer = mq.producer(p -> p.setSendMsgTimeout(3_000));
        send(producer, topic, 400);
        check(topic, 200);
        cluster.stopBroker();
        cluster.startBroker();
        check(topic, 200);
        send(producer, topic, 400);
        check(topic, 200);
    }

    @Test
    void brokersOfBothKindsTakeTurns() throws Exception {
        cluster = Clusters.takingTurns(busy(), "1212");
        String topic = topic();
        DefaultMQProducer producer = mq.producer(p -> p.setSendMsgTimeout(3_000));
        for (int turn = 0; turn < 4; turn++) {
            if (turn > 0) {
                cluster.stopBroker();
                cluster.startBroker();
                check(topic, 200);
            }
            send(producer, topic, 350);
            check(topic, 200);
        }
    }

    @Test
    void killsLoseNothing() throws Exception {
        cluster = Clusters.own(busy().with("compactionScheduleInternal", "50"));
        org.junit.jupiter.api.Assumptions.assumeTrue(cluster.promisesQuickStop(),
            "Apache's broker does not start after a kill between two renames of a compaction");
        String topic = topic();
        DefaultMQProducer producer = mq.producer(p -> p.setSendMsgTimeout(3_000));
        for (int round = 0; round < 4; round++) {
            send(producer, topic, 250);
            cluster.killBroker();
            cluster.startBroker();
        }
        send(producer, topic, 250);
        check(topic, 250);
    }
}
