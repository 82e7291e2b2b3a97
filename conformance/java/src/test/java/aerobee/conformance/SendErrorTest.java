package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a producer is told when the broker does not take a message. The broker must be as well as before afterwards. */
class SendErrorTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    @RegisterExtension
    final Rmq strict = new Rmq(Clusters::strict);

    /** Sends to a queue that the test names, so that the client asks no nameserver and retries nothing. */
    private static MQBrokerException refused(DefaultMQProducer producer, Cluster cluster, Message m, int queueId) {
        return assertThrows(MQBrokerException.class,
            () -> producer.send(m, new MessageQueue(m.getTopic(), cluster.brokerName(), queueId)));
    }

    /** A producer that has already spoken to the broker, so that it knows the broker's address. */
    private static DefaultMQProducer connectedProducer(Rmq mq) throws Exception {
        DefaultMQProducer p = mq.producer(c -> c.setMaxMessageSize(64 << 20));
        assertEquals(SendStatus.SEND_OK, p.send(Rmq.message(mq.topic(1), "*", "x")).getSendStatus());
        return p;
    }

    @Test
    void illegalTopicNamesNeverLeaveTheClient() throws Exception {
        DefaultMQProducer producer = mq.producer();
        for (String topic : List.of("", "a b", "a/b", "tüte", "x".repeat(128))) {
            assertThrows(MQClientException.class, () -> producer.send(Rmq.message(topic, "*", "x")), topic);
        }
    }

    @Test
    void systemTopicsAreForbidden() throws Exception {
        DefaultMQProducer producer = mq.producer();
        for (String topic : List.of("SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
            "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT")) {
            assertThrows(MQClientException.class, () -> producer.send(Rmq.message(topic, "*", "x")), topic);
        }
    }

    @Test
    void bodyAboveTheLimitIsIllegal() throws Exception {
        DefaultMQProducer producer = connectedProducer(mq);
        String topic = mq.topic(1);
        // Compression would make it small.
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        MQBrokerException e = refused(producer, mq.cluster(), new Message(topic, new byte[(4 << 20) + 1]), 0);
        assertEquals(ResponseCode.MESSAGE_ILLEGAL, e.getResponseCode());
        assertTrue(e.getErrorMessage().contains("4194304B"), e.getErrorMessage());

        assertEquals(SendStatus.SEND_OK, producer.send(new Message(topic, new byte[4 << 20])).getSendStatus(), "exactly 4 MiB");
    }

    @Test
    void clientRefusesBodyAboveItsOwnLimit() throws Exception {
        DefaultMQProducer producer = mq.producer();
        MQClientException e = assertThrows(MQClientException.class,
            () -> producer.send(new Message("Any", new byte[(4 << 20) + 1])));
        assertEquals(ResponseCode.MESSAGE_ILLEGAL, e.getResponseCode());
    }

    @Test
    void propertiesAboveTheLimitAreIllegal() throws Exception {
        DefaultMQProducer producer = connectedProducer(mq);
        String topic = mq.topic(1);
        Message m = Rmq.message(topic, "*", "x");
        m.putUserProperty("p", "v".repeat(33_000));
        MQBrokerException e = refused(producer, mq.cluster(), m, 0);
        assertEquals(ResponseCode.MESSAGE_ILLEGAL, e.getResponseCode());
        assertTrue(e.getErrorMessage().contains("32KB"), e.getErrorMessage());
    }

    @Test
    void queueBeyondTheTopicIsInvalid() throws Exception {
        DefaultMQProducer producer = connectedProducer(mq);
        String topic = mq.topic(2);
        MQBrokerException e = refused(producer, mq.cluster(), Rmq.message(topic, "*", "x"), 2);
        assertEquals(ResponseCode.INVALID_PARAMETER, e.getResponseCode());
        assertTrue(e.getErrorMessage().contains("request queueId[2] is illegal"), e.getErrorMessage());
    }

    @Test
    void unknownTopicWithoutAutoCreation() throws Exception {
        DefaultMQProducer producer = connectedProducer(strict);
        String topic = strict.newTopicName();

        MQClientException noRoute = assertThrows(MQClientException.class, () -> producer.send(Rmq.message(topic, "*", "x")));
        assertTrue(noRoute.getMessage().contains("No route info of this topic"), noRoute.getMessage());

        MQBrokerException e = refused(producer, strict.cluster(), Rmq.message(topic, "*", "x"), 0);
        assertEquals(ResponseCode.TOPIC_NOT_EXIST, e.getResponseCode());
        assertTrue(e.getErrorMessage().contains("topic[" + topic + "] not exist, apply first please!"), e.getErrorMessage());
    }

    @Test
    void createdTopicTakesMessagesWithoutAutoCreation() throws Exception {
        String topic = strict.topic(1);
        assertEquals(SendStatus.SEND_OK, strict.producer().send(Rmq.message(topic, "*", "x")).getSendStatus());
    }

    @Test
    void messageWithoutBodyIsRefusedByTheClient() throws Exception {
        DefaultMQProducer producer = mq.producer();
        assertThrows(MQClientException.class, () -> producer.send(new Message("Any", new byte[0])));
        assertThrows(MQClientException.class, () -> producer.send(new Message("Any", (byte[]) null)));
    }

    @Test
    void batchesMustBeOfOneTopicWithoutDelay() throws Exception {
        DefaultMQProducer producer = mq.producer();
        assertThrows(MQClientException.class, () -> producer.send(List.of(Rmq.message("A", "*", "x"), Rmq.message("B", "*", "x"))));
        Message delayed = Rmq.message("A", "*", "x");
        delayed.setDelayTimeLevel(1);
        assertThrows(MQClientException.class, () -> producer.send(List.of(delayed, delayed)));
    }

    @Test
    void retryTopicOfAGroupTakesNoBatch() throws Exception {
        DefaultMQProducer producer = mq.producer();
        List<Message> batch = List.of(new Message("%RETRY%" + mq.group(), "x".getBytes(StandardCharsets.UTF_8)));
        assertThrows(MQClientException.class, () -> producer.send(batch));
    }
}
