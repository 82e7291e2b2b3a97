package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Child;
import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.body.LockBatchRequestBody;
import org.apache.rocketmq.remoting.protocol.body.UnlockBatchRequestBody;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Queue locks: one client per group and queue. */
class LockTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private MQClientAPIImpl api() throws Exception {
        return mq.admin().getDefaultMQAdminExtImpl().getMqClientInstance().getMQClientAPIImpl();
    }

    private Set<Integer> lock(String group, String client, MessageQueue... queues) throws Exception {
        LockBatchRequestBody body = new LockBatchRequestBody();
        body.setConsumerGroup(group);
        body.setClientId(client);
        body.setMqSet(Set.of(queues));
        return api().lockBatchMQ(mq.cluster().brokerAddr(), body, 3000).stream().map(MessageQueue::getQueueId).collect(Collectors.toSet());
    }

    private void unlock(String group, String client, MessageQueue... queues) throws Exception {
        UnlockBatchRequestBody body = new UnlockBatchRequestBody();
        body.setConsumerGroup(group);
        body.setClientId(client);
        body.setMqSet(Set.of(queues));
        api().unlockBatchMQ(mq.cluster().brokerAddr(), body, 3000, false);
    }

    @Test
    void oneClientHoldsAQueueUntilItUnlocks() throws Exception {
        String topic = mq.topic(3);
        String group = mq.group();
        MessageQueue q0 = mq.queue(topic, 0);
        MessageQueue q1 = mq.queue(topic, 1);
        MessageQueue q2 = mq.queue(topic, 2);

        assertEquals(Set.of(0, 1), lock(group, "a", q0, q1));
        assertEquals(Set.of(0, 1), lock(group, "a", q0, q1), "again by the same client");
        assertEquals(Set.of(2), lock(group, "b", q0, q1, q2), "only what is free");
        assertEquals(Set.of(0, 1, 2), lock(mq.group(), "b", q0, q1, q2), "other groups have their own locks");

        unlock(group, "b", q0);
        assertEquals(Set.of(), lock(group, "b", q0), "nobody unlocks for others");
        unlock(group, "a", q0);
        assertEquals(Set.of(0), lock(group, "b", q0));
        assertEquals(Set.of(1), lock(group, "a", q0, q1));
    }

    @Test
    void orderlyConsumersHandTheirLocksOver() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer[] consumers = new DefaultMQPushConsumer[2];
        for (int i = 0; i < 2; i++) {
            consumers[i] = mq.pushConsumer(group, c -> {
                c.subscribe(topic, "*");
                c.registerMessageListener(inbox.orderly());
            });
        }
        Rmq.await("two locked queues each").until(() -> Stream.of(consumers).allMatch(c -> locked(c, topic) == 2));
        MessageQueue[] all = Stream.of(0, 1, 2, 3).map(i -> mq.queue(topic, i)).toArray(MessageQueue[]::new);
        assertEquals(Set.of(), lock(group, "stranger", all));

        consumers[1].shutdown();
        Rmq.await("all queues locked by the other").until(() -> locked(consumers[0], topic) == 4);
    }

    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void queuesOfAKilledMemberGoOnInOrder() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        Child child = Child.start("consumer", Path.of("target/servers/orderly-" + group + ".log").toAbsolutePath(),
            Path.of("").toAbsolutePath(), Map.of(), ConsumerProcess.command(mq.cluster().namesrvAddr(), topic, group, "orderly"));
        mq.closeLater(child::kill);
        child.awaitLine(l -> l.equals("READY"), Duration.ofSeconds(100));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer survivor = mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.orderly());
        });
        Rmq.await("two locked queues").until(() -> locked(survivor, topic) == 2);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 20; i++) {
            producer.send(Rmq.message(topic, "*", i % 4 + ":" + i / 4), mq.queue(topic, i % 4));
        }
        child.awaitLine(l -> l.startsWith("GOT "), Rmq.LIMIT);

        child.kill();
        long killed = System.nanoTime();
        Rmq.await("all locks").atMost(Duration.ofSeconds(100)).until(() -> locked(survivor, topic) == 4);
        if (Settings.isAerobee()) { // Apache's broker keeps the locks for a minute
            assertTrue(System.nanoTime() - killed < Duration.ofSeconds(40).toNanos(), "locks were kept");
        }
        for (int i = 20; i < 40; i++) {
            producer.send(Rmq.message(topic, "*", i % 4 + ":" + i / 4), mq.queue(topic, i % 4));
        }
        inbox.awaitBodies(IntStream.range(20, 40).mapToObj(i -> i % 4 + ":" + i / 4).toList());
        // A queue may be read again from its last commit; after that nothing is out of order and nothing is missing.
        for (int q = 0; q < 4; q++) {
            String prefix = q + ":";
            List<Integer> seen = inbox.bodies().stream().filter(b -> b.startsWith(prefix))
                .map(b -> Integer.parseInt(b.substring(2))).distinct().toList();
            assertEquals(seen.stream().sorted().toList(), seen, "queue " + q);
            List<Integer> all = Stream.concat(seen.stream(), child.lines().stream().filter(l -> l.startsWith("GOT " + prefix))
                .map(l -> Integer.parseInt(l.substring(6)))).distinct().sorted().toList();
            assertEquals(IntStream.range(0, 10).boxed().toList(), all, "queue " + q);
        }
    }

    private static long locked(DefaultMQPushConsumer c, String topic) {
        return c.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().entrySet().stream()
            .filter(e -> e.getKey().getTopic().equals(topic) && e.getValue().isLocked()).count();
    }
}
