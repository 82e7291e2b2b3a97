package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.message.MessageQueueAssignment;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.body.MessageRequestModeSerializeWrapper;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Queues that the broker divides among the members of a group, and whether they pull or pop. */
class AssignmentTest {
    private Cluster own;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> own == null ? Clusters.shared() : own);

    @AfterEach
    void stop() {
        if (own != null) {
            Cluster c = own;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    private MQClientAPIImpl api() throws Exception {
        return mq.admin().getDefaultMQAdminExtImpl().getMqClientInstance().getMQClientAPIImpl();
    }

    private Set<MessageQueueAssignment> ask(String topic, String group, String client, String strategy, MessageModel model)
        throws Exception {
        return api().queryAssignment(mq.cluster().brokerAddr(), topic, group, client, strategy, model, 10_000);
    }

    /** The queue numbers with the mode, sorted: 0:PULL 1:PULL. */
    private static String text(Set<MessageQueueAssignment> assignments) {
        return assignments.stream().map(a -> a.getMessageQueue().getQueueId() + ":" + a.getMode())
            .collect(Collectors.toCollection(TreeSet::new)).stream().collect(Collectors.joining(" "));
    }

    private DefaultMQPushConsumer member(String group, String topic, Inbox inbox) throws Exception {
        return mq.pushConsumer(group, c -> {
            c.setClientRebalance(false);
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
    }

    private static Set<Integer> queuesOf(DefaultMQPushConsumer c, String topic) {
        return c.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(q -> q.getTopic().equals(topic)).map(MessageQueue::getQueueId).collect(Collectors.toCollection(TreeSet::new));
    }

    private static String idOf(DefaultMQPushConsumer c) {
        return c.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
    }

    private void setMode(String topic, String group, MessageRequestMode mode, int share) throws Exception {
        api().setMessageRequestMode(mq.cluster().brokerAddr(), topic, group, mode, share, 10_000);
    }

    @Test
    void pushConsumersLeaveTheDivisionToTheBroker() throws Exception {
        String topic = mq.topic(5);
        String group = mq.group();
        Inbox inbox = new Inbox();
        List<DefaultMQPushConsumer> members = List.of(member(group, topic, inbox), member(group, topic, inbox));
        Rmq.await("a division of five queues").until(() -> {
            Set<Integer> first = queuesOf(members.get(0), topic);
            Set<Integer> second = queuesOf(members.get(1), topic);
            return first.size() + second.size() == 5 && Stream.concat(first.stream(), second.stream()).distinct().count() == 5;
        });
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 50; i++) {
            producer.send(Rmq.message(topic, "*", Integer.toString(i)), mq.queue(topic, i % 5));
        }
        inbox.awaitBodies(IntStream.range(0, 50).mapToObj(Integer::toString).toList());

        List<String> ids = members.stream().map(AssignmentTest::idOf).sorted().toList();
        assertEquals("0:PULL 1:PULL 2:PULL", text(ask(topic, group, ids.get(0), "AVG", MessageModel.CLUSTERING)));
        assertEquals("3:PULL 4:PULL", text(ask(topic, group, ids.get(1), "AVG", MessageModel.CLUSTERING)));
        assertEquals("1:PULL 3:PULL", text(ask(topic, group, ids.get(1), "AVG_BY_CIRCLE", MessageModel.CLUSTERING)));
        assertEquals("", text(ask(topic, group, "stranger", "AVG", MessageModel.CLUSTERING)));
        assertEquals("0:PULL 1:PULL 2:PULL 3:PULL 4:PULL", text(ask(topic, group, "stranger", "AVG", MessageModel.BROADCASTING)));
        assertNull(ask(topic, group, ids.get(0), "CONSISTENT_HASH", MessageModel.CLUSTERING), "unknown strategy");
        assertNull(ask(mq.newTopicName(), group, ids.get(0), "AVG", MessageModel.CLUSTERING), "unknown topic");
        assertNull(ask(topic, mq.group(), ids.get(0), "AVG", MessageModel.CLUSTERING), "nobody there");

        members.get(1).shutdown();
        Rmq.await("all queues").until(() -> queuesOf(members.get(0), topic).size() == 5);
    }

    @Test
    void popIsAnsweredAsItWasSet() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        // Members that pull: the assignments are asked for by hand.
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            members.add(mq.pushConsumer(group, c -> {
                c.subscribe(topic, "*");
                c.registerMessageListener(new Inbox().concurrently());
            }));
        }
        List<String> ids = members.stream().map(AssignmentTest::idOf).sorted().toList();
        Rmq.await("three members").ignoreExceptions().until(() ->
            mq.admin().examineConsumerConnectionInfo(group).getConnectionSet().size() == 3);
        setMode(topic, group, MessageRequestMode.POP, 0);
        assertEquals("-1:POP", text(ask(topic, group, ids.get(0), "AVG", MessageModel.CLUSTERING)));
        setMode(topic, group, MessageRequestMode.POP, 1);
        assertEquals("0:POP 1:POP 2:POP", text(ask(topic, group, ids.get(0), "AVG", MessageModel.CLUSTERING)));
        assertEquals("2:POP 3:POP", text(ask(topic, group, ids.get(1), "AVG", MessageModel.CLUSTERING)));
        assertEquals("0:POP 1:POP 3:POP", text(ask(topic, group, ids.get(2), "AVG", MessageModel.CLUSTERING)));
        setMode(topic, group, MessageRequestMode.POP, 2);
        assertEquals("-1:POP", text(ask(topic, group, ids.get(2), "AVG", MessageModel.CLUSTERING)));
        setMode(topic, group, MessageRequestMode.PULL, 2);
        assertEquals("0:PULL 1:PULL", text(ask(topic, group, ids.get(0), "AVG", MessageModel.CLUSTERING)));
    }

    @Test
    void modesAreRefused() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        assertEquals(ResponseCode.NO_PERMISSION, assertThrows(MQClientException.class,
            () -> setMode(MixAll.getRetryTopic(group), group, MessageRequestMode.POP, 0)).getResponseCode());
        assertEquals(ResponseCode.TOPIC_NOT_EXIST, assertThrows(MQClientException.class,
            () -> setMode(mq.newTopicName(), group, MessageRequestMode.POP, 0)).getResponseCode());
        try (RawConnection raw = new RawConnection(mq.cluster().brokerAddr())) {
            for (String body : List.of("", "{", "{}", "{\"topic\":\"" + topic + "\"}", "[]")) {
                RemotingCommand request = RemotingCommand.createRequestCommand(RequestCode.QUERY_ASSIGNMENT, null);
                request.setBody(body.getBytes(StandardCharsets.UTF_8));
                assertEquals(ResponseCode.SYSTEM_ERROR, raw.call(request).getCode(), "body " + body);
            }
        }
    }

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES) // two starts of Apache's broker
    void modesSurviveKillsAndPassFromBrokerToBroker() throws Exception {
        own = Clusters.takingTurns(ClusterSpec.standard());
        String topic = mq.topic(2); // Apache's broker
        String one = mq.group();
        String two = mq.group();
        String out = MqAdmin.run(own, "setConsumeMode", "-b", own.brokerAddr(), "-t", topic, "-g", one, "-m", "POP", "-q", "3");
        assertTrue(out.contains("set consume mode to " + own.brokerAddr() + " success"), out);

        own.stopBroker();
        own.startBroker(); // the target's
        mq.awaitRoute(topic);
        assertEquals("POP 3", modeOf(topic, one));
        out = MqAdmin.run(own, "setConsumeMode", "-c", own.clusterName(), "-t", topic, "-g", two, "-m", "POP", "-q", "4");
        assertTrue(out.contains("success"), out);
        assertEquals("POP 4", modeOf(topic, two));

        own.stopBroker();
        own.startBroker(); // Apache's
        mq.awaitRoute(topic);
        assertEquals("POP 3", modeOf(topic, one));
        assertEquals("POP 4", modeOf(topic, two));
        setMode(topic, one, MessageRequestMode.PULL, 0);

        own.killBroker();
        own.startBroker(); // the target's
        mq.awaitRoute(topic);
        assertEquals("PULL 0", modeOf(topic, one));
        assertEquals("POP 4", modeOf(topic, two));
    }

    @Test
    void modesSurviveAKill() throws Exception {
        own = Clusters.own(ClusterSpec.standard());
        String topic = mq.topic(2);
        String group = mq.group();
        setMode(topic, group, MessageRequestMode.POP, 7);
        own.killBroker();
        own.startBroker();
        mq.awaitRoute(topic);
        assertEquals("POP 7", modeOf(topic, group));
    }

    private String modeOf(String topic, String group) throws Exception {
        return Rmq.await("modes").ignoreExceptions().until(() -> {
            try (RawConnection raw = new RawConnection(mq.cluster().brokerAddr())) {
                RemotingCommand answer = raw.call(RemotingCommand.createRequestCommand(RequestCode.GET_ALL_MESSAGE_REQUEST_MODE, null));
                var mode = MessageRequestModeSerializeWrapper.decode(answer.getBody(), MessageRequestModeSerializeWrapper.class)
                    .getMessageRequestModeMap().get(topic).get(group);
                return mode.getMode() + " " + mode.getPopShareQueueNum();
            }
        }, m -> true);
    }
}
