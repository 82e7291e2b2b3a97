package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Topics, groups and offsets survive kills and stops, and brokers of both kinds read what the other one left. */
class MetadataTest {
    private static final int TOPICS = 100;

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    private void createTopic(String name, int queues) throws Exception {
        TopicConfig config = new TopicConfig(name);
        config.setReadQueueNums(queues);
        config.setWriteQueueNums(queues);
        mq.admin().createAndUpdateTopicConfig(cluster.brokerAddr(), config);
    }

    private void createGroup(String name, int retries) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(name);
        config.setRetryMaxTimes(retries);
        mq.admin().createAndUpdateSubscriptionGroupConfig(cluster.brokerAddr(), config);
    }

    private Map<String, TopicConfig> topics() throws Exception {
        return mq.admin().getAllTopicConfig(cluster.brokerAddr(), 10_000).getTopicConfigTable();
    }

    private Map<String, SubscriptionGroupConfig> groups() throws Exception {
        return mq.admin().getAllSubscriptionGroup(cluster.brokerAddr(), 10_000).getSubscriptionGroupTable();
    }

    private void check(String prefix, String group, Set<String> gone, long committed) throws Exception {
        Map<String, TopicConfig> all = topics();
        for (int i = 0; i < TOPICS; i++) {
            assertEquals(1 + i % 5, all.get(prefix + i).getReadQueueNums(), prefix + i);
        }
        Map<String, SubscriptionGroupConfig> groups = groups();
        assertEquals(7, groups.get(group).getRetryMaxTimes());
        for (String name : gone) {
            assertFalse(all.containsKey(name), name);
            assertFalse(groups.containsKey(name), name);
        }
        mq.awaitRoute(prefix + 1);
        DefaultMQPullConsumer consumer = mq.pullConsumer(group);
        for (int q = 0; q < 2; q++) {
            MessageQueue queue = mq.queue(prefix + 1, q);
            assertEquals(committed + q, consumer.fetchConsumeOffset(queue, true), "queue " + q);
        }
    }

    /** Offsets beyond the end of a queue would be lowered after a kill. */
    private void send(String topic, int messages) throws Exception {
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        for (int q = 0; q < 2; q++) {
            for (int i = 0; i < messages; i++) {
                producer.send(new Message(topic, new byte[10]), mq.queue(topic, q));
            }
        }
    }

    /** Commits as clients do, and waits until the broker's interval for writing offsets is over. */
    private void commit(String topic, String group, long offset) throws Exception {
        DefaultMQPullConsumer consumer = mq.pullConsumer(group);
        for (int q = 0; q < 2; q++) {
            MessageQueue queue = mq.queue(topic, q);
            consumer.updateConsumeOffset(queue, offset + q);
            consumer.getOffsetStore().updateConsumeOffsetToBroker(queue, offset + q, false);
        }
        Rmq.await("flushConsumerOffsetInterval").pollDelay(Duration.ofSeconds(2)).until(() -> true);
    }

    @Test
    void killsAndStopsLoseNothing() throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard().with("flushConsumerOffsetInterval", "200"), "12221");
        String prefix = mq.newTopicName() + "-";
        String group = mq.group();
        String gone = mq.group();

        createTopic(prefix + 0, 5); // Apache's broker makes it, the target's changes it
        cluster.stopBroker();
        cluster.startBroker(); // the target's
        for (int i = 0; i < TOPICS; i++) {
            createTopic(prefix + i, 1 + i % 5);
        }
        createTopic(gone, 1);
        createGroup(group, 7);
        createGroup(gone, 3);
        mq.admin().deleteTopicInBroker(Set.of(cluster.brokerAddr()), gone);
        mq.admin().deleteSubscriptionGroup(cluster.brokerAddr(), gone, true);
        mq.awaitRoute(prefix + 1);
        send(prefix + 1, 30);
        commit(prefix + 1, group, 10);
        check(prefix, group, Set.of(gone), 10);

        cluster.killBroker();
        cluster.startBroker(); // the target's
        check(prefix, group, Set.of(gone), 10);
        commit(prefix + 1, group, 20);
        createTopic(gone, 2);
        assertTrue(topics().containsKey(gone));

        cluster.killBroker();
        cluster.startBroker(); // the target's
        check(prefix, group, Set.of(), 20);
        assertEquals(2, topics().get(gone).getReadQueueNums());
        mq.admin().deleteTopicInBroker(Set.of(cluster.brokerAddr()), gone);
        createGroup(gone, 9);

        cluster.stopBroker();
        cluster.startBroker(); // Apache's
        check(prefix, group, Set.of(), 20);
        assertFalse(topics().containsKey(gone));
        assertEquals(9, groups().get(gone).getRetryMaxTimes());
    }
}
