package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Producers whose answers got lost send again. Topics with dedup.window, which only aerobee has, store one copy. */
class DedupTest {
    private static final int QUEUES = 4;

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @AfterEach
    void stop() {
        if (cluster != null && cluster != Clusters.shared() && cluster != Clusters.strict()) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    /** Makes a topic with mqadmin; ends the test if the broker does not know the attributes. */
    private String topic(String attributes) throws Exception {
        String topic = mq.newTopicName();
        String said = MqAdmin.run(cluster, "updateTopic", "-b", cluster.brokerAddr(), "-t", topic,
            "-r", Integer.toString(QUEUES), "-w", Integer.toString(QUEUES), "-a", attributes);
        assumeTrue(!said.contains("unsupported key: dedup.window"), "Apache's broker has no dedup.window");
        assertTrue(said.contains("success"), said);
        mq.awaitRoute(topic);
        return topic;
    }

    private DefaultMQProducer lossyProducer(LossyPath path) throws Exception {
        mq.closeLater(() -> {
            try {
                path.close();
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        return mq.producer(p -> {
            path.lead(p);
            p.setRetryTimesWhenSendFailed(3);
            p.setSendMsgTimeout(20_000);
        });
    }

    private List<MessageExt> everything(String topic) throws Exception {
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        List<MessageExt> all = new ArrayList<>();
        for (int q = 0; q < QUEUES; q++) {
            long end = mq.admin().maxOffset(mq.queue(topic, q));
            for (long offset = 0; offset < end;) {
                PullResult r = consumer.pull(mq.queue(topic, q), "*", offset, 32);
                assertEquals(PullStatus.FOUND, r.getPullStatus());
                all.addAll(r.getMsgFoundList());
                offset = r.getNextBeginOffset();
            }
        }
        return all;
    }

    private static List<String> numbers(int n) {
        return IntStream.range(0, n).mapToObj(i -> String.format("%03d", i)).toList();
    }

    private static SendResult untilSent(DefaultMQProducer producer, Message m) {
        return Rmq.await("send").ignoreExceptions().until(() -> producer.send(m), r -> r != null && r.getSendStatus() == SendStatus.SEND_OK);
    }

    /** Holds for every broker: where retries come from, and what they do without the attribute. */
    @Test
    void withoutTheAttributeALostAnswerMakesACopy() throws Exception {
        cluster = Clusters.shared();
        String topic = mq.topic(QUEUES);
        LossyPath path = new LossyPath(cluster);
        DefaultMQProducer producer = lossyProducer(path);
        producer.send(Rmq.message(topic, "*", "first"));
        path.loseAnswers(1);
        SendResult r = producer.send(Rmq.message(topic, "*", "twice"));
        assertEquals(SendStatus.SEND_OK, r.getSendStatus());
        assertEquals(1, path.lost());
        assertEquals(List.of("first", "twice", "twice"), Rmq.bodies(everything(topic)).stream().sorted().toList());
    }

    @Test
    void aLostAnswerMakesNoCopy() throws Exception {
        cluster = Clusters.shared();
        String topic = topic("+dedup.window=2m");
        LossyPath path = new LossyPath(cluster);
        DefaultMQProducer producer = lossyProducer(path);
        List<SendResult> results = new ArrayList<>();
        for (String body : numbers(60)) {
            path.loseAnswers(results.size() % 3); // and of the first retry
            results.add(producer.send(Rmq.message(topic, "*", body)));
        }
        assertTrue(path.lost() >= 59, path.lost() + " answers were lost");
        List<MessageExt> stored = everything(topic);
        assertEquals(numbers(60), Rmq.bodies(stored).stream().sorted().toList());
        for (SendResult r : results) { // each names a message that is there
            assertEquals(SendStatus.SEND_OK, r.getSendStatus());
            MessageExt m = stored.stream().filter(x -> x.getMsgId().equals(r.getMsgId())).findFirst().orElseThrow();
            assertEquals(r.getMessageQueue().getQueueId(), m.getQueueId());
            assertEquals(r.getQueueOffset(), m.getQueueOffset());
            assertEquals(r.getOffsetMsgId(), ((MessageClientExt) m).getOffsetMsgId());
        }
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.awaitBodies(numbers(60));
        assertEquals(60, inbox.size());
    }

    @Test
    void batchesAreSuppressedAsAWhole() throws Exception {
        cluster = Clusters.shared();
        String topic = topic("+dedup.window=2m");
        LossyPath path = new LossyPath(cluster);
        DefaultMQProducer producer = lossyProducer(path);
        List<Message> batch = numbers(5).stream().map(b -> Rmq.message(topic, "*", b)).toList();
        path.loseAnswers(2);
        SendResult r = producer.send(batch);
        assertEquals(2, path.lost());
        assertEquals(5, r.getOffsetMsgId().split(",").length);
        assertEquals(numbers(5), Rmq.bodies(everything(topic)).stream().sorted().toList());
    }

    @Test
    void delayedMessagesAreDeliveredOnce() throws Exception {
        cluster = Clusters.strict();
        String topic = topic("+dedup.window=2m");
        LossyPath path = new LossyPath(cluster);
        DefaultMQProducer producer = lossyProducer(path);
        for (String body : numbers(10)) {
            Message m = Rmq.message(topic, "*", body);
            m.setDelayTimeLevel(3);
            path.loseAnswers(1);
            producer.send(m);
        }
        assertEquals(10, path.lost());
        Message last = Rmq.message(topic, "*", "last");
        last.setDelayTimeLevel(3);
        producer.send(last);
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.awaitBodies(List.of("last"));
        inbox.awaitBodies(numbers(10));
        assertEquals(11, inbox.size());
    }

    @Test
    void aPropertyCanBeTheKey() throws Exception {
        cluster = Clusters.shared();
        String topic = topic("+dedup.window=90000,+dedup.key=orderId");
        DefaultMQProducer producer = mq.producer();
        List<SendResult> results = new ArrayList<>();
        for (String order : List.of("7", "8", "7")) {
            Message m = Rmq.message(topic, "*", "order " + order);
            m.putUserProperty("orderId", order);
            results.add(producer.send(m));
        }
        assertEquals(List.of("order 7", "order 8"), Rmq.bodies(everything(topic)).stream().sorted().toList());
        assertEquals(results.get(0).getOffsetMsgId(), results.get(2).getOffsetMsgId());
        assertNotEquals(results.get(0).getOffsetMsgId(), results.get(1).getOffsetMsgId());

        String said = MqAdmin.run(cluster, "updateTopic", "-b", cluster.brokerAddr(), "-t", topic, "-r", Integer.toString(QUEUES),
            "-w", Integer.toString(QUEUES), "-a", "-dedup.window");
        assertTrue(said.contains("success"), said);
        Message again = Rmq.message(topic, "*", "again");
        again.putUserProperty("orderId", "7");
        producer.send(again);
        assertEquals(3, everything(topic).size());
        assertTrue(MqAdmin.run(cluster, "updateTopic", "-b", cluster.brokerAddr(), "-t", topic, "-a", "+dedup.window=1y")
            .contains("must be a duration"));
    }

    @Test
    void messagesStayKnownOverRestartAndKill() throws Exception {
        cluster = Clusters.own(ClusterSpec.standard().withSyncFlush());
        String topic = topic("+dedup.window=10m");
        DefaultMQProducer producer = mq.producer(p -> p.setSendMsgTimeout(3_000));
        List<Message> messages = numbers(30).stream().map(b -> Rmq.message(topic, "*", b)).toList();
        List<SendResult> first = messages.stream().map(m -> untilSent(producer, m)).toList();
        for (boolean kill : new boolean[] {true, false}) {
            if (kill) {
                cluster.killBroker();
            } else {
                cluster.stopBroker();
            }
            cluster.startBroker();
            for (int i = 0; i < messages.size(); i++) {
                SendResult again = untilSent(producer, messages.get(i));
                assertEquals(first.get(i).getOffsetMsgId(), again.getOffsetMsgId());
                assertEquals(first.get(i).getMsgId(), again.getMsgId());
                assertEquals(first.get(i).getQueueOffset(), again.getQueueOffset());
            }
        }
        untilSent(producer, Rmq.message(topic, "*", "new"));
        assertEquals(31, everything(topic).size());
    }

    /** The producer's call is under way when the broker dies, and goes on with the same message until it succeeds. */
    @Test
    void aKillUnderLoadMakesNoCopies() throws Exception {
        cluster = Clusters.own(ClusterSpec.standard().withSyncFlush());
        String topic = topic("+dedup.window=10m");
        DefaultMQProducer producer = mq.producer(p -> p.setSendMsgTimeout(3_000));
        List<String> bodies = numbers(900);
        List<Thread> senders = new ArrayList<>();
        for (int t = 0; t < 3; t++) {
            List<String> mine = bodies.subList(t * 300, t * 300 + 300);
            Thread sender = new Thread(() -> mine.forEach(b -> untilSent(producer, Rmq.message(topic, "*", b))));
            sender.start();
            senders.add(sender);
        }
        for (int round = 1; round <= 2; round++) {
            int enough = round * 200;
            Rmq.await("messages").ignoreExceptions().until(() -> stored(topic) > enough);
            cluster.killBroker();
            cluster.startBroker();
        }
        for (Thread sender : senders) {
            sender.join();
        }
        assertEquals(bodies, Rmq.bodies(everything(topic)).stream().sorted().toList());
    }

    private long stored(String topic) throws Exception {
        long n = 0;
        for (int q = 0; q < QUEUES; q++) {
            n += mq.admin().maxOffset(mq.queue(topic, q));
        }
        return n;
    }

    /** Apache's broker keeps an attribute that it does not know, and starts with it. */
    @Test
    void theAttributeSurvivesATakeover() throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard(), "212");
        String topic = topic("+dedup.window=10m");
        DefaultMQProducer producer = mq.producer(p -> p.setSendMsgTimeout(3_000));
        Message m = Rmq.message(topic, "*", "a");
        SendResult first = untilSent(producer, m);
        cluster.stopBroker();
        cluster.startBroker();
        Message javas = Rmq.message(topic, "*", "b");
        SendResult second = untilSent(producer, javas);
        cluster.stopBroker();
        cluster.startBroker();
        assertEquals(first.getOffsetMsgId(), untilSent(producer, m).getOffsetMsgId());
        assertEquals(second.getOffsetMsgId(), untilSent(producer, javas).getOffsetMsgId(), "stored by Apache's broker");
        assertEquals(List.of("a", "b"), Rmq.bodies(everything(topic)).stream().sorted().toList());
    }
}
