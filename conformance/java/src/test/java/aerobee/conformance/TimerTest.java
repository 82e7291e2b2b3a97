package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Delivery at any time, and recall, on a server of their own: the roll window is short, and tests stop and kill it. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class TimerTest {
    private static final int MAX_DELAY_SEC = 100;

    private static Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @BeforeAll
    static void start() {
        cluster = Clusters.own(ClusterSpec.standard()
            .with("timerRollWindowSlot", "4")
            .with("timerMaxDelaySec", Integer.toString(MAX_DELAY_SEC))
            .with("timerGetMessageThreadNum", "1") // Apache's broker keeps the order only with one of each
            .with("timerPutMessageThreadNum", "1")
            .with("recallMessageEnable", "true"));
    }

    @AfterAll
    static void stop() {
        Clusters.close(cluster);
    }

    private Inbox consume(String topic) throws Exception {
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        return inbox;
    }

    private static Message at(String topic, String body, long deliverMs) {
        Message m = Rmq.message(topic, "tag", body);
        m.setDeliverTimeMs(deliverMs);
        return m;
    }

    private static void notEarly(MessageExt m, long due) {
        assertTrue(m.getStoreTimestamp() >= due, Rmq.body(m) + " came " + (due - m.getStoreTimestamp()) + " ms early");
    }

    private static MessageExt named(Inbox inbox, String body) {
        return inbox.messages().stream().filter(m -> Rmq.body(m).equals(body)).findFirst().orElseThrow();
    }

    @Test
    @Order(1)
    void theThreeWaysToAsk() throws Exception {
        String topic = mq.topic(2);
        Inbox inbox = consume(topic);
        DefaultMQProducer producer = mq.producer();
        Message seconds = Rmq.message(topic, "tag", "seconds");
        seconds.setDelayTimeSec(2);
        seconds.setKeys("k1 k2");
        seconds.putUserProperty("colour", "red");
        Message millis = Rmq.message(topic, "tag", "millis");
        millis.setDelayTimeMs(1_500);
        long began = System.currentTimeMillis();
        SendResult sent = producer.send(seconds, mq.queue(topic, 1));
        producer.send(millis, mq.queue(topic, 0));
        producer.send(at(topic, "time", began + 3_000), mq.queue(topic, 0));
        producer.send(at(topic, "past", began - 1_000), mq.queue(topic, 0));
        producer.send(Rmq.message(topic, "*", "at once"), mq.queue(topic, 0));
        inbox.awaitBodies(List.of("seconds", "millis", "time", "past", "at once"));

        notEarly(named(inbox, "seconds"), began + 2_000);
        notEarly(named(inbox, "millis"), began + 1_500);
        notEarly(named(inbox, "time"), began + 3_000);
        assertNull(named(inbox, "past").getProperty("TIMER_OUT_MS"), "never was in the timer");
        MessageExt got = named(inbox, "seconds");
        assertEquals(topic, got.getTopic());
        assertEquals(1, got.getQueueId(), "the queue the sender chose");
        assertEquals(0, got.getQueueOffset());
        assertEquals("tag", got.getTags());
        assertEquals("k1 k2", got.getKeys());
        assertEquals("red", got.getUserProperty("colour"));
        assertEquals(sent.getMsgId(), got.getMsgId());
        assertEquals(topic, got.getProperty("REAL_TOPIC"));
        assertEquals("1", got.getProperty("REAL_QID"));
        assertNotNull(got.getProperty("TIMER_OUT_MS"));
        assertNotNull(got.getProperty("TIMER_ENQUEUE_MS"));
        assertNotNull(got.getProperty("TIMER_DEQUEUE_MS"));
    }

    @Test
    @Order(2)
    void impossibleTimesAreRefused() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(0));
        long now = System.currentTimeMillis();
        refused(producer, at(topic, "too far", now + MAX_DELAY_SEC * 1_000 + 5_000), "TIMER_DELIVER_MS");
        Message m = Rmq.message(topic, "*", "too long");
        m.setDelayTimeSec(MAX_DELAY_SEC + 1);
        refused(producer, m, "TIMER_DELAY_SEC");
        m = Rmq.message(topic, "*", "no number");
        m.getProperties().put("TIMER_DELAY_MS", "soon");
        refused(producer, m, "TIMER_DELAY_MS");
        m = at(topic, "recall of the past", now - 1_000);
        m.getProperties().put("TIMER_DEL_UNIQKEY", "some key");
        refused(producer, m, "TIMER_DEL_UNIQKEY");
    }

    private static void refused(DefaultMQProducer producer, Message m, String property) {
        MQBrokerException e = assertThrows(MQBrokerException.class, () -> producer.send(m));
        assertEquals(ResponseCode.MESSAGE_ILLEGAL, e.getResponseCode());
        assertTrue(e.getErrorMessage().contains("timer message illegal"), e.getErrorMessage());
        if (Settings.isAerobee()) {
            assertTrue(e.getErrorMessage().contains(property), e.getErrorMessage());
        }
    }

    @Test
    @Order(3)
    void ofOneMomentTheFirstSentComesFirst() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        long due = System.currentTimeMillis() + 3_000;
        for (int i = 0; i < 100; i++) {
            producer.send(at(topic, Integer.toString(i), due), mq.queue(topic, 0));
        }
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.orderly());
        });
        inbox.await(100);
        assertEquals(IntStream.range(0, 100).mapToObj(Integer::toString).toList(), inbox.bodies());
        inbox.messages().forEach(m -> notEarly(m, due));
    }

    @Test
    @Order(4)
    void whatIsFarAwayIsStoredAnewOnTheWay() throws Exception {
        String topic = mq.topic(1);
        Inbox inbox = consume(topic);
        long due = System.currentTimeMillis() + 9_000;
        SendResult sent = mq.producer().send(at(topic, "far", due));
        MessageExt got = inbox.await(1).get(0);
        notEarly(got, due);
        assertEquals(sent.getMsgId(), got.getMsgId());
        assertTrue(Integer.parseInt(got.getProperty("TIMER_ROLL_TIMES")) >= 1, "rolled");
    }

    @Test
    @Order(5)
    void recalledMessagesDoNotCome() throws Exception {
        String topic = mq.topic(1);
        Inbox inbox = consume(topic);
        DefaultMQProducer producer = mq.producer();
        long near = System.currentTimeMillis() + 3_000;
        long far = System.currentTimeMillis() + 11_000; // beyond the roll window
        SendResult nearSent = producer.send(at(topic, "near, recalled", near));
        producer.send(at(topic, "near", near));
        SendResult farSent = producer.send(at(topic, "far, recalled", far));
        producer.send(at(topic, "far", far));
        assertEquals(nearSent.getMsgId(), producer.recallMessage(topic, nearSent.getRecallHandle()));
        assertEquals(farSent.getMsgId(), producer.recallMessage(topic, farSent.getRecallHandle()));
        producer.send(at(topic, "after", far + 2_000));
        inbox.awaitBodies(List.of("near", "far", "after"));
        assertEquals(List.of("near", "far", "after"), Rmq.bodies(inbox.asStored()));
    }

    @Test
    @Order(6)
    void impossibleRecallsAreRefused() throws Exception {
        String topic = mq.topic(1);
        String other = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        Inbox inbox = consume(topic);
        SendResult sent = producer.send(at(topic, "m", System.currentTimeMillis() + 1_000));
        assertEquals(ResponseCode.ILLEGAL_OPERATION, recallFails(producer, other, sent.getRecallHandle()).getResponseCode());
        inbox.await(1);
        MQBrokerException late = recallFails(producer, topic, sent.getRecallHandle());
        assertEquals(ResponseCode.ILLEGAL_OPERATION, late.getResponseCode());
        assertTrue(late.getErrorMessage().contains("timestamp invalid"), late.getErrorMessage());
        String noNumber = "v1 " + topic + " " + cluster.brokerName() + " tomorrow key"; // clients look at the rest themselves
        String handle = Base64.getUrlEncoder().encodeToString(noNumber.getBytes(StandardCharsets.UTF_8));
        assertEquals(ResponseCode.ILLEGAL_OPERATION, recallFails(producer, topic, handle).getResponseCode());
    }

    private static MQBrokerException recallFails(DefaultMQProducer producer, String topic, String handle) {
        return assertThrows(MQBrokerException.class, () -> producer.recallMessage(topic, handle));
    }

    @Test
    @Order(7)
    void alibabasPropertyIsHonoured() throws Exception {
        assumeTrue(Settings.isAerobee(), "Apache's broker ignores it");
        String topic = mq.topic(1);
        Inbox inbox = consume(topic);
        long due = System.currentTimeMillis() + 2_500;
        Message m = Rmq.message(topic, "tag", "ons");
        m.putUserProperty("__STARTDELIVERTIME", Long.toString(due));
        mq.producer().send(m);
        notEarly(inbox.await(1).get(0), due);
    }

    @Timeout(value = 10, unit = TimeUnit.MINUTES) // real delays, and two starts of a broker
    @Test
    @Order(8)
    void pendingMessagesSurviveAStopAndAKill() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        List<String> all = new ArrayList<>();
        long now = System.currentTimeMillis();
        for (int i = 0; i < 20; i++) {
            all.add("while down " + i);
            producer.send(at(topic, all.get(all.size() - 1), now + 2_000 + 10 * i));
            all.add("later " + i);
            producer.send(at(topic, all.get(all.size() - 1), now + 30_000 + 10 * i));
        }
        cluster.stopBroker();
        Rmq.await("the time").until(() -> System.currentTimeMillis() > now + 4_000);
        cluster.startBroker();
        Inbox inbox = consume(topic);
        inbox.awaitBodies(all.stream().filter(b -> b.startsWith("while")).toList());

        long again = System.currentTimeMillis();
        for (int i = 0; i < 20; i++) {
            String body = "killed " + i;
            all.add(body);
            Message m = at(topic, body, again + 25_000 + 10 * i);
            Rmq.await("send").ignoreExceptions().until(() -> producer.send(m), x -> x != null);
        }
        cluster.killBroker();
        cluster.startBroker();
        inbox.awaitBodies(all);
        for (MessageExt m : inbox.messages()) {
            String body = Rmq.body(m);
            notEarly(m, body.startsWith("later") ? now + 30_000 : body.startsWith("killed") ? again + 25_000 : now + 2_000);
        }
    }
}
