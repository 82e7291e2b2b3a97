package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The eighteen delay levels, on a server of their own since one test restarts it. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class DelayTest {
    private static Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @BeforeAll
    static void start() {
        cluster = Clusters.own(ClusterSpec.standard());
    }

    @AfterAll
    static void stop() {
        Clusters.close(cluster);
    }

    private static Message delayed(String topic, int level, String body) {
        Message m = Rmq.message(topic, "tag", body);
        m.setDelayTimeLevel(level);
        return m;
    }

    private Inbox consume(String topic) throws Exception {
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        return inbox;
    }

    @Test
    @Order(1)
    void allLevelsAreAccepted() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        Map<Integer, Long> before = new HashMap<>();
        for (int level = 1; level <= 18; level++) {
            before.put(level, mq.admin().maxOffset(mq.queue("SCHEDULE_TOPIC_XXXX", level - 1)));
        }
        for (int level = 1; level <= 18; level++) {
            assertEquals(SendStatus.SEND_OK, producer.send(delayed(topic, level, "level " + level)).getSendStatus());
        }
        for (int level = 1; level <= 18; level++) {
            int l = level;
            Rmq.await("level " + l).until(() -> mq.admin().maxOffset(mq.queue("SCHEDULE_TOPIC_XXXX", l - 1)) == before.get(l) + 1);
        }
        Inbox inbox = consume(topic);
        inbox.awaitBodies(List.of("level 1", "level 2"));
        assertEquals(List.of("level 1", "level 2"), Rmq.bodies(inbox.asStored()).subList(0, 2));
    }

    @Test
    @Order(2)
    void shortLevelsAreDeliveredOnTimeWithEverythingTheyHad() throws Exception {
        String topic = mq.topic(2);
        Inbox inbox = consume(topic);
        DefaultMQProducer producer = mq.producer();
        Message message = delayed(topic, 2, "five seconds");
        message.setKeys("k1 k2");
        message.putUserProperty("colour", "red");
        SendResult sent = producer.send(message, mq.queue(topic, 1));
        producer.send(delayed(topic, 1, "one second"), mq.queue(topic, 0));
        producer.send(Rmq.message(topic, "*", "at once"), mq.queue(topic, 0));
        inbox.await(3);

        assertEquals(List.of("at once", "one second", "five seconds"), Rmq.bodies(inbox.asStored()));
        MessageExt got = inbox.asStored().get(2);
        assertEquals(topic, got.getTopic());
        assertEquals(1, got.getQueueId(), "the queue the sender chose");
        assertEquals(0, got.getQueueOffset());
        assertEquals("tag", got.getTags());
        assertEquals("k1 k2", got.getKeys());
        assertEquals("red", got.getUserProperty("colour"));
        assertEquals(sent.getMsgId(), got.getMsgId());
        assertEquals(0, got.getReconsumeTimes());
        onTime(got, 5000);
        onTime(inbox.asStored().get(1), 1000);
    }

    /** The delivered copy is stored when it is due; the sender's clock says when it was born. */
    private static void onTime(MessageExt m, long delay) {
        long late = m.getStoreTimestamp() - m.getBornTimestamp() - delay;
        assertTrue(late >= -20 && late < 2500, Rmq.body(m) + " came " + late + " ms late");
    }

    @Test
    @Order(3)
    void levelsAboveTheLastCountAsTheLast() throws Exception {
        String topic = mq.topic(1);
        long before = mq.admin().maxOffset(mq.queue("SCHEDULE_TOPIC_XXXX", 17));
        mq.producer().send(delayed(topic, 99, "far away"));
        Rmq.await("level 18").until(() -> mq.admin().maxOffset(mq.queue("SCHEDULE_TOPIC_XXXX", 17)) == before + 1);
    }

    @Test
    @Order(4)
    void manyOfOneLevelKeepTheirOrder() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 200; i++) {
            producer.send(delayed(topic, 1, Integer.toString(i)));
        }
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.orderly());
        });
        inbox.await(200);
        assertEquals(IntStream.range(0, 200).mapToObj(Integer::toString).toList(), inbox.bodies());
    }

    @Test
    @Order(5)
    void pendingMessagesSurviveARestart() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 20; i++) {
            producer.send(delayed(topic, 3, "pending" + i));
        }
        cluster.stopBroker();
        cluster.startBroker();
        Inbox inbox = consume(topic);
        inbox.awaitBodies(IntStream.range(0, 20).mapToObj(i -> "pending" + i).toList());
        inbox.messages().forEach(m -> assertTrue(m.getStoreTimestamp() - m.getBornTimestamp() >= 9_980, "not early"));
    }
}
