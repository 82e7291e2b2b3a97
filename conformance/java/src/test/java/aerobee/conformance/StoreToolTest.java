package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import aerobee.conformance.harness.StoreTool;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The commands for store directories find nothing wrong with what Apache's broker writes, and read all of it. */
class StoreToolTest {
    private static final int EACH = 150;

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

    private StoreTool.Outcome store(String command, String... args) {
        String[] all = IntStream.range(0, args.length + 2)
            .mapToObj(i -> i == 0 ? command : i == 1 ? cluster.storeDir().toString() : args[i - 2]).toArray(String[]::new);
        return StoreTool.run(all);
    }

    private void assertSound(String when) {
        StoreTool.Outcome check = store("check");
        assertEquals(0, check.exitCode(), when + "\n" + check.text());
    }

    private void assertReadable(String topic, String when) {
        StoreTool.Outcome all = store("cat", "--topic", topic);
        assertEquals(0, all.exitCode(), when + "\n" + all.text());
        assertEquals(EACH + 4, all.objects().size(), when);
        assertTrue(all.text().contains("\"body\":\"" + "z".repeat(10_000) + "\""), "a compressed body is unpacked");
        assertEquals(1, store("cat", "--key", "key-77").objects().size(), when);
        assertEquals(10, store("cat", "--topic", topic, "--queue", "1", "--from", "5", "--to", "15").objects().size(), when);
    }

    private void sendAllKinds(DefaultMQProducer producer, String topic) throws Exception {
        String padding = " ".repeat(3000);
        for (int i = 0; i < EACH; i++) {
            Message m = new Message(topic, "tag" + i % 3, "key-" + i + " common", (i + padding).getBytes(StandardCharsets.UTF_8));
            producer.send(m, new MessageQueue(topic, cluster.brokerName(), i % 2));
        }
        producer.send(new Message(topic, "z".repeat(10_000).getBytes(StandardCharsets.UTF_8)));
        producer.send(List.of(Rmq.message(topic, "b", "1"), Rmq.message(topic, "b", "2"), Rmq.message(topic, "b", "3")));
        Message level = Rmq.message(topic, "tag", "level");
        level.setDelayTimeLevel(10);
        producer.send(level);
        Message later = Rmq.message(topic, "tag", "later");
        later.setDelayTimeSec(600);
        producer.send(later);
    }

    private String batchTopic() throws Exception {
        String topic = mq.newTopicName();
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(1);
        config.setWriteQueueNums(1);
        config.setAttributes(Map.of("+queue.type", "BatchCQ"));
        Rmq.await("creation of " + topic).ignoreExceptions().until(() -> {
            mq.admin().createAndUpdateTopicConfig(cluster.brokerAddr(), config);
            return true;
        });
        mq.awaitRoute(topic);
        return topic;
    }

    @Test
    void javaStoresAreSound() throws Exception {
        assumeTrue(Settings.isAerobee(), "the commands are aerobee's");
        cluster = Clusters.takingTurns(ClusterSpec.standard().with("mappedFileSizeCommitLog", "262144")
            .with("mappedFileSizeConsumeQueue", "2000"));
        String topic = mq.topic(2);
        String batches = batchTopic();
        DefaultMQProducer producer = mq.producer();
        sendAllKinds(producer, topic);
        for (int i = 0; i < 5; i++) {
            producer.send(List.of(Rmq.message(batches, "a", "x"), Rmq.message(batches, "a", "y")));
            producer.send(Rmq.message(batches, "c", "single"));
        }
        String group = mq.group();
        DefaultMQPullConsumer consumer = mq.pullConsumer(group);
        MessageQueue queue = mq.queue(topic, 0);
        consumer.pull(queue, "*", 0, 1);
        consumer.updateConsumeOffset(queue, 40);
        consumer.getOffsetStore().updateConsumeOffsetToBroker(queue, 40, false);

        assertSound("while it is running");
        Rmq.await("queues on disk").until(() -> store("cat", "--topic", topic).objects().size() == EACH + 4);
        assertReadable(topic, "while it is running");
        assertEquals(15, store("cat", "--topic", batches).objects().size());

        cluster.stopBroker();
        assertSound("stopped");
        assertReadable(topic, "stopped");
        StoreTool.Outcome ls = store("ls", "--log");
        assertEquals(0, ls.exitCode(), ls.text());
        assertTrue(ls.text().contains(topic), ls.text());
    }

    @Test
    void killedJavaStoresAreSound() throws Exception {
        assumeTrue(Settings.isAerobee(), "the commands are aerobee's");
        cluster = Clusters.takingTurns(ClusterSpec.standard().with("mappedFileSizeCommitLog", "262144"));
        String topic = mq.topic(2);
        sendAllKinds(mq.producer(), topic);
        cluster.killBroker();
        assertSound("killed");
        cluster.startBroker(); // the target's
        mq.awaitRoute(topic);
        assertSound("the target is running");
        cluster.stopBroker();
        assertSound("the target has stopped");
        assertReadable(topic, "the target has stopped");
    }
}
