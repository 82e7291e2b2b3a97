package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Child;
import aerobee.conformance.harness.Clusters;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Queues move when consumers come, go, or die. */
class RebalanceTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private DefaultMQPushConsumer consumer(String group, String topic, Inbox inbox) throws Exception {
        return mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
    }

    private static Set<Integer> queues(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(q -> q.getTopic().equals(topic)).map(q -> q.getQueueId()).collect(Collectors.toSet());
    }

    @Test
    void aConsumerThatJoinsTakesItsShareAndGivesItBack() throws Exception {
        String topic = mq.topic(8);
        String group = mq.group();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer first = consumer(group, topic, inbox);
        Rmq.await("all queues").until(() -> queues(first, topic).size() == 8);

        DefaultMQPushConsumer second = consumer(group, topic, inbox);
        Rmq.await("half each").until(() -> queues(first, topic).size() == 4 && queues(second, topic).size() == 4);
        Set<Integer> both = new HashSet<>(queues(first, topic));
        both.addAll(queues(second, topic));
        assertEquals(8, both.size());

        DefaultMQPushConsumer third = consumer(group, topic, inbox);
        Rmq.await("a third each").until(() -> List.of(first, second, third).stream().map(c -> queues(c, topic).size())
            .sorted().toList().equals(List.of(2, 3, 3)));

        long left = System.nanoTime();
        second.shutdown();
        third.shutdown();
        Rmq.await("all queues again").until(() -> queues(first, topic).size() == 8);
        long seconds = Duration.ofNanos(System.nanoTime() - left).toSeconds();
        assertTrue(seconds < 15, "the broker tells at once, not the 20 s timer; took " + seconds + " s");
    }

    @Test
    void moreConsumersThanQueues() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        Inbox inbox = new Inbox();
        List<DefaultMQPushConsumer> all = List.of(consumer(group, topic, inbox), consumer(group, topic, inbox),
            consumer(group, topic, inbox));
        Rmq.await("one queue each, one without").until(() -> all.stream().map(c -> queues(c, topic).size()).sorted().toList()
            .equals(List.of(0, 1, 1)));
    }

    @Test
    void otherStrategies() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer[] consumers = new DefaultMQPushConsumer[2];
        for (int i = 0; i < 2; i++) {
            consumers[i] = mq.pushConsumer(group, c -> {
                c.setAllocateMessageQueueStrategy(new AllocateMessageQueueAveragelyByCircle());
                c.subscribe(topic, "*");
                c.registerMessageListener(inbox.concurrently());
            });
        }
        Rmq.await("every other queue").until(() -> Stream.of(consumers).map(c -> queues(c, topic))
            .collect(Collectors.toSet()).equals(Set.of(Set.of(0, 2), Set.of(1, 3))));
    }

    @Test
    void nothingIsLostWhenConsumersComeAndGoUnderLoad() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        Inbox inbox = new Inbox();
        consumer(group, topic, inbox);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 300; i++) {
            producer.send(Rmq.message(topic, "*", Integer.toString(i)));
            if (i % 100 == 50) {
                DefaultMQPushConsumer guest = consumer(group, topic, inbox);
                Rmq.await("guest has queues").until(() -> queues(guest, topic).size() > 0);
                guest.shutdown();
            }
        }
        inbox.awaitBodies(IntStream.range(0, 300).mapToObj(Integer::toString).toList());
    }

    @Test
    void aKilledConsumerIsReplaced() throws Exception {
        String topic = mq.topic(4);
        String group = mq.group();
        Child child = Child.start("consumer", Path.of("target/servers/consumer-" + group + ".log").toAbsolutePath(),
            Path.of("").toAbsolutePath(), Map.of(), ConsumerProcess.command(mq.cluster().namesrvAddr(), topic, group));
        mq.closeLater(child::kill);
        child.awaitLine(l -> l.equals("READY"), Rmq.LIMIT);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer survivor = consumer(group, topic, inbox);
        Rmq.await("half the queues").until(() -> queues(survivor, topic).size() == 2);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 40; i++) {
            producer.send(Rmq.message(topic, "*", "before" + i));
        }
        child.awaitLine(l -> l.startsWith("GOT "), Rmq.LIMIT);

        child.kill();

        Rmq.await("all queues").until(() -> queues(survivor, topic).size() == 4);
        for (int i = 0; i < 40; i++) {
            producer.send(Rmq.message(topic, "*", "after" + i));
        }
        inbox.awaitBodies(IntStream.range(0, 40).mapToObj(i -> "after" + i).toList());
        Set<String> consumed = new HashSet<>(inbox.bodies());
        child.lines().stream().filter(l -> l.startsWith("GOT ")).forEach(l -> consumed.add(l.substring(4)));
        assertTrue(consumed.containsAll(IntStream.range(0, 40).mapToObj(i -> "before" + i).toList()), "every message was seen");
    }
}
