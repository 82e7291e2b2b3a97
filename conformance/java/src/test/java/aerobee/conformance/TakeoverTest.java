package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Brokers of both kinds take turns on one store: everything of both is there, at the same offsets, found in every way. */
class TakeoverTest {
    private static final int EACH = 60;

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    private final List<SendResult> sent = new ArrayList<>();

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    /** Messages of 4 KB: with the small files of this test they fill several. */
    private void send(MessageQueue queue, String who) throws Exception {
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        String padding = " ".repeat(4000);
        for (int i = 0; i < EACH; i++) {
            Message m = new Message(queue.getTopic(), "tag", who, (sent.size() + padding).getBytes(StandardCharsets.UTF_8));
            SendResult r = Rmq.await("send " + sent.size()).ignoreExceptions().until(() -> producer.send(m, queue), x -> x != null);
            assertEquals(sent.size(), r.getQueueOffset());
            sent.add(r);
        }
    }

    private void check(MessageQueue queue, String group, long committed) throws Exception {
        DefaultMQPullConsumer consumer = mq.pullConsumer(group);
        Rmq.await("queue of " + sent.size()).ignoreExceptions().until(() -> consumer.maxOffset(queue) == sent.size());
        assertEquals(0, consumer.minOffset(queue));
        assertEquals(committed, consumer.fetchConsumeOffset(queue, true));
        long offset = 0;
        while (offset < sent.size()) {
            PullResult r = consumer.pull(queue, "*", offset, 32);
            assertEquals(PullStatus.FOUND, r.getPullStatus());
            for (MessageExt m : r.getMsgFoundList()) {
                assertEquals(offset, m.getQueueOffset());
                assertEquals(Long.toString(offset), Rmq.body(m).trim());
                assertEquals(sent.get((int) offset).getMsgId(), m.getMsgId());
                offset++;
            }
        }
        for (int i = 0; i < sent.size(); i += 17) {
            MessageExt m = mq.admin().viewMessage(queue.getTopic(), sent.get(i).getOffsetMsgId());
            assertEquals(i, m.getQueueOffset());
            long atThatTime = consumer.searchOffset(queue, m.getStoreTimestamp()); // the first of that millisecond
            MessageExt first = mq.admin().viewMessage(queue.getTopic(), sent.get((int) atThatTime).getOffsetMsgId());
            assertEquals(m.getStoreTimestamp(), first.getStoreTimestamp(), "by time");
        }
        for (String who : Stream.of("first", "second", "third", "fourth").limit(sent.size() / EACH).toList()) {
            int found = mq.admin().queryMessage(queue.getTopic(), who, 64, 0, Long.MAX_VALUE).getMessageList().size();
            assertEquals(EACH, found, "by key " + who);
        }
    }

    private void commit(MessageQueue queue, String group, long offset) throws Exception {
        DefaultMQPullConsumer consumer = mq.pullConsumer(group);
        consumer.pull(queue, "*", 0, 1); // creates the group
        consumer.updateConsumeOffset(queue, offset);
        consumer.getOffsetStore().updateConsumeOffsetToBroker(queue, offset, false);
    }

    @Test
    void eachReadsWhatTheOtherWrote() throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard().with("mappedFileSizeCommitLog", "262144"));
        String topic = mq.topic(1);
        String group = mq.group();
        MessageQueue queue = mq.queue(topic, 0);

        send(queue, "first"); // Apache's
        commit(queue, group, 10);
        check(queue, group, 10);

        cluster.stopBroker();
        cluster.startBroker(); // the target's
        mq.awaitRoute(topic);
        check(queue, group, 10);
        send(queue, "second");
        commit(queue, group, 70);
        check(queue, group, 70);

        cluster.stopBroker();
        cluster.startBroker(); // Apache's
        mq.awaitRoute(topic);
        check(queue, group, 70);
        send(queue, "third");
        commit(queue, group, 130);

        cluster.stopBroker();
        cluster.startBroker(); // the target's
        mq.awaitRoute(topic);
        check(queue, group, 130);
        send(queue, "fourth");
        check(queue, group, 130);
    }
}
