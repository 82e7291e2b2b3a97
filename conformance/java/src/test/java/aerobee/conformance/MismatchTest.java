package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.header.GetConsumerConnectionListRequestHeader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two members of a group that subscribe to different tags. */
class MismatchTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private DefaultMQPushConsumer member(String group, String topic, String tag, Inbox inbox) throws Exception {
        return mq.pushConsumer(group, c -> {
            c.subscribe(topic, tag);
            c.registerMessageListener(inbox.concurrently());
        });
    }

    private static List<Integer> queuesOf(DefaultMQPushConsumer c, String topic) {
        return c.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(q -> q.getTopic().equals(topic)).map(MessageQueue::getQueueId).sorted().toList();
    }

    @Test
    void eachGetsItsOwnAndTheStatusTells() throws Exception {
        assumeTrue(Settings.isAerobee(), "Apache's broker filters for all members by the newest subscription");
        String topic = mq.topic(4);
        String group = mq.group();
        Inbox xs = new Inbox();
        Inbox ys = new Inbox();
        DefaultMQPushConsumer x = member(group, topic, "x", xs);
        DefaultMQPushConsumer y = member(group, topic, "y", ys);
        Rmq.await("two queues each").until(() -> Stream.of(x, y).allMatch(c -> queuesOf(c, topic).size() == 2));
        DefaultMQProducer producer = mq.producer();
        List<String> wantX = new ArrayList<>();
        List<String> wantY = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            String tag = i / 4 % 2 == 0 ? "x" : "y";
            producer.send(Rmq.message(topic, tag, Integer.toString(i)), mq.queue(topic, i % 4));
            if (tag.equals("x") && queuesOf(x, topic).contains(i % 4)) {
                wantX.add(Integer.toString(i));
            }
            if (tag.equals("y") && queuesOf(y, topic).contains(i % 4)) {
                wantY.add(Integer.toString(i));
            }
        }
        xs.awaitBodies(wantX);
        ys.awaitBodies(wantY);
        assertEquals(new TreeSet<>(wantX), new TreeSet<>(xs.bodies()));
        assertEquals(new TreeSet<>(wantY), new TreeSet<>(ys.bodies()));

        Rmq.await("the status").until(() -> status(group).contains("20 messages since the broker's start"));
        String status = status(group);
        assertTrue(status.contains("tags x (") && status.contains("tags y ("), status);
    }

    private String status(String group) throws Exception {
        GetConsumerConnectionListRequestHeader header = new GetConsumerConnectionListRequestHeader();
        header.setConsumerGroup(group);
        try (RawConnection raw = new RawConnection(mq.cluster().brokerAddr())) {
            RemotingCommand answer = raw.call(RemotingCommand.createRequestCommand(RequestCode.GET_CONSUMER_CONNECTION_LIST, header));
            return new String(answer.getBody(), StandardCharsets.UTF_8);
        }
    }

    @Test
    void membersWithOneMindAreNotTouched() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer one = member(group, topic, "x || y", inbox);
        DefaultMQPushConsumer two = member(group, topic, "y||x", inbox);
        Rmq.await("a queue each").until(() -> Stream.of(one, two).allMatch(c -> queuesOf(c, topic).size() == 1));
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 10; i++) {
            producer.send(Rmq.message(topic, Stream.of("x", "y", "z").toList().get(i % 3), Integer.toString(i)), mq.queue(topic, i % 2));
        }
        inbox.awaitBodies(Stream.of(0, 1, 3, 4, 6, 7, 9).map(String::valueOf).collect(Collectors.toList()));
        assertTrue(!status(group).contains("subscriptionMismatch"), status(group));
    }
}
