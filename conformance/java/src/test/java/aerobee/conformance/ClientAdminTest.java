package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.body.CMResult;
import org.apache.rocketmq.remoting.protocol.body.Connection;
import org.apache.rocketmq.remoting.protocol.body.ConsumeMessageDirectlyResult;
import org.apache.rocketmq.remoting.protocol.body.ConsumerConnection;
import org.apache.rocketmq.remoting.protocol.body.ConsumerRunningInfo;
import org.apache.rocketmq.remoting.protocol.heartbeat.ConsumeType;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an administrator sees of the clients, and what the broker asks them on his behalf. */
class ClientAdminTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private DefaultMQPushConsumer consumer(String group, String topic, Inbox inbox) throws Exception {
        return mq.pushConsumer(group, c -> {
            c.subscribe(topic, "A || B");
            c.registerMessageListener(inbox.concurrently());
        });
    }

    @Test
    void consumerConnections() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        DefaultMQPushConsumer consumer = consumer(group, topic, new Inbox());
        ConsumerConnection connections = Rmq.await("connection").ignoreExceptions()
            .until(() -> mq.admin().examineConsumerConnectionInfo(group), c -> c.getConnectionSet().size() == 1);
        Connection connection = connections.getConnectionSet().iterator().next();
        assertEquals(consumer.buildMQClientId(), connection.getClientId());
        assertEquals("JAVA", connection.getLanguage().name());
        assertTrue(connection.getClientAddr().startsWith("127.0.0.1:"), connection.getClientAddr());
        assertEquals(ConsumeType.CONSUME_PASSIVELY, connections.getConsumeType());
        assertEquals(MessageModel.CLUSTERING, connections.getMessageModel());
        assertEquals(Set.of(topic, "%RETRY%" + group), connections.getSubscriptionTable().keySet());
        assertEquals(Set.of("A", "B"), connections.getSubscriptionTable().get(topic).getTagsSet());

        consumer.shutdown();
        Rmq.await("gone").until(() -> {
            MQBrokerException e = assertThrows(MQBrokerException.class, () -> mq.admin().examineConsumerConnectionInfo(group));
            return e.getResponseCode() == ResponseCode.CONSUMER_NOT_ONLINE;
        });
    }

    @Test
    void producerConnections() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        producer.send(Rmq.message(topic, "*", "x"));
        Rmq.await("heartbeat").ignoreExceptions().until(() -> mq.admin()
            .examineProducerConnectionInfo(producer.getProducerGroup(), topic).getConnectionSet().stream()
            .anyMatch(c -> c.getClientId().equals(producer.buildMQClientId())));
        Rmq.await("table of all").ignoreExceptions().until(() -> mq.admin().getAllProducerInfo(mq.cluster().brokerAddr())
            .getData().containsKey(producer.getProducerGroup()));
    }

    @Test
    void consumerRunningInfo() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        DefaultMQPushConsumer consumer = consumer(group, topic, new Inbox());
        Rmq.await("queues").ignoreExceptions().until(() -> {
            ConsumerRunningInfo info = mq.admin().getConsumerRunningInfo(group, consumer.buildMQClientId(), false);
            return info.getMqTable().containsKey(mq.queue(topic, 0)) && info.getMqTable().containsKey(mq.queue(topic, 1));
        });
        ConsumerRunningInfo info = mq.admin().getConsumerRunningInfo(group, consumer.buildMQClientId(), true);
        assertEquals("false", info.getProperties().getProperty(ConsumerRunningInfo.PROP_CONSUME_ORDERLY));
        assertTrue(info.getSubscriptionSet().stream().anyMatch(s -> s.getTopic().equals(topic)));
        assertTrue(info.getStatusTable().containsKey(topic));
        assertTrue(info.getJstack().contains("PullMessageService"), "thread dump");
    }

    @Test
    void clientsThatAreNotThere() throws Exception {
        String group = mq.group();
        mq.topic(1);
        MQClientException e = assertThrows(MQClientException.class, () -> mq.admin().getConsumerRunningInfo(group, "nobody@1", false));
        assertNotNull(e.getMessage());
        MQClientException noRoute = assertThrows(MQClientException.class, () -> mq.admin().examineConsumerConnectionInfo(group));
        assertEquals(ResponseCode.TOPIC_NOT_EXIST, noRoute.getResponseCode(), "no retry topic, so no such group");
    }

    @Test
    void consumeMessageDirectly() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                inbox.add(batch);
                if (Rmq.body(batch.get(0)).equals("bad")) {
                    throw new IllegalStateException("on purpose");
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        });
        SendResult good = mq.producer().send(Rmq.message(topic, "*", "good"));
        SendResult bad = mq.producer().send(Rmq.message(topic, "*", "bad"));
        inbox.awaitBodies(List.of("good", "bad"));

        ConsumeMessageDirectlyResult r = mq.admin().consumeMessageDirectly(group, consumer.buildMQClientId(), topic, good.getOffsetMsgId());
        assertEquals(CMResult.CR_SUCCESS, r.getConsumeResult());
        assertEquals(2, inbox.bodies().stream().filter("good"::equals).count());
        r = mq.admin().consumeMessageDirectly(group, consumer.buildMQClientId(), topic, bad.getOffsetMsgId());
        assertEquals(CMResult.CR_THROW_EXCEPTION, r.getConsumeResult());
    }

    @Test
    void consumerStatusFromTheClient() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.producer().send(Rmq.message(topic, "A", "x"));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = consumer(group, topic, inbox);
        inbox.await(1);
        Rmq.await("offset 1").ignoreExceptions().until(() -> {
            Map<String, Map<MessageQueue, Long>> status = mq.admin().getConsumeStatus(topic, group, "");
            return status.get(consumer.buildMQClientId()).get(mq.queue(topic, 0)) == 1;
        });
    }

    @Test
    void whoConsumesATopicAndWhatAGroupConsumes() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.producer().send(Rmq.message(topic, "A", "x"));
        consumer(group, topic, new Inbox());
        Rmq.await("group").ignoreExceptions().until(() -> mq.admin().queryTopicConsumeByWho(topic).getGroupList().contains(group));
        Rmq.await("offsets").ignoreExceptions().until(() -> mq.admin().queryTopicsByConsumer(group).getTopicList().contains(topic));
        assertEquals("A || B", mq.admin().querySubscription(group, topic).getSubString());
    }
}
