package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import aerobee.conformance.harness.AdminTool;
import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** "aerobee admin dlq" deals with the dead letters that Java's consumers leave, at its own brokers and at Apache's. */
class DeadLetterTest {
    private static Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @BeforeAll
    static void start() {
        assumeTrue(Settings.hasAerobee(), "the command is aerobee's");
        cluster = Clusters.own(ClusterSpec.standard().with("messageDelayLevel", "1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s"));
    }

    @AfterAll
    static void stop() {
        if (cluster != null) {
            Clusters.close(cluster);
        }
    }

    private AdminTool.Outcome dlq(String... args) {
        String[] all = IntStream.range(0, args.length + 3)
            .mapToObj(i -> i == 0 ? "dlq" : i <= args.length ? args[i - 1] : i == args.length + 1 ? "-n" : cluster.namesrvAddr())
            .toArray(String[]::new);
        return AdminTool.run(all);
    }

    private String done(String... args) {
        AdminTool.Outcome out = dlq(args);
        assertEquals(0, out.exitCode(), String.join(" ", args) + "\n" + out.text());
        return out.text();
    }

    private static void has(String out, String... parts) {
        for (String part : parts) {
            assertTrue(out.contains(part), "no \"" + part + "\" in\n" + out);
        }
    }

    /** A group whose consumer rejected n messages with bodies 0..n-1 and tags even and odd; the consumer is gone. */
    private String rejected(String topic, int n) throws Exception {
        String group = mq.group();
        mq.createTopic("%RETRY%" + group, 1);
        DefaultMQPushConsumer consumer = mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                context.setDelayLevelWhenNextConsume(-1);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        });
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < n; i++) {
            Message m = new Message(topic, i % 2 == 0 ? "even" : "odd", "key-" + i, Integer.toString(i).getBytes(StandardCharsets.UTF_8));
            m.setFlag(7);
            m.putUserProperty("region", i < 3 ? "eu" : "us");
            producer.send(m);
        }
        awaitDead(group, n);
        consumer.shutdown();
        return group;
    }

    private void awaitDead(String group, long n) {
        mq.awaitRoute("%DLQ%" + group);
        Rmq.await(n + " dead letters").ignoreExceptions().until(() -> mq.admin().maxOffset(mq.queue("%DLQ%" + group, 0)) == n);
    }

    private Inbox follow(String topic) throws Exception {
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        return inbox;
    }

    @Test
    void listedShownCountedExported() throws Exception {
        String topic = mq.topic(1);
        String group = rejected(topic, 6);
        String reason = Settings.isAerobee() ? "REJECTED" : "EARLY";
        has(done("list"), group);
        assertEquals(6, done("list", "-g", group).lines().filter(l -> l.contains(topic) && l.contains(reason)).count());
        assertEquals(2, done("list", "-g", group, "--where", "tag=even and prop.region=eu").lines().filter(l -> l.contains(topic)).count());
        String counts = done("count", "-g", group);
        has(counts, "total: 6");
        assertEquals(2, counts.lines().filter(l -> l.contains(topic) && l.contains(reason) && l.strip().endsWith(" 3")).count(), counts);
        String exported = done("export", "-g", group, "--where", "key=key-4");
        assertEquals(1, exported.lines().count());
        has(exported, "\"body\":\"4\"", "\"originTopic\":\"" + topic + "\"", "\"reason\":\"" + reason + "\"", "\"reconsumeTimes\":1");
        String id = exported.replaceAll(".*\"msgId\":\"([^\"]+)\".*", "$1").strip();
        Rmq.await("index").until(() -> dlq("show", "-g", group, "-i", id).exitCode() == 0);
        String shown = done("show", "-g", group, "-i", id);
        has(shown, "key-4", topic, reason);
        if (Settings.isAerobee()) {
            has(shown, "127.0.0.1:");
            has(exported, "\"attemptsAllowed\":16");
        }
        has(done("list", "-g", group, "--output", "yaml", "--limit", "1"), "originTopic: " + topic);
    }

    @Test
    void sentAgainAsTheyWere() throws Exception {
        String topic = mq.topic(1);
        String group = rejected(topic, 6);
        Inbox inbox = follow(topic);
        inbox.await(6);
        has(done("redrive", "-g", group, "--where", "tag=odd", "--dry-run"), "3 would be sent, 3 passed over");
        has(done("redrive", "-g", group, "--where", "tag=odd"), "3 sent, 3 passed over");
        List<MessageExt> again = inbox.await(9).stream().filter(m -> m.getProperty("AEROBEE_REDRIVEN") != null).toList();
        assertEquals(List.of("1", "3", "5"), Rmq.bodies(again).stream().sorted().toList());
        for (MessageExt m : again) {
            assertEquals("odd", m.getTags());
            assertEquals("key-" + Rmq.body(m), m.getKeys());
            assertEquals(7, m.getFlag());
            assertEquals(Rmq.body(m).equals("1") ? "eu" : "us", m.getUserProperty("region"));
            assertEquals(0, m.getReconsumeTimes());
            for (String gone : List.of("RETRY_TOPIC", "ORIGIN_MESSAGE_ID", "RECONSUME_TIME", "MAX_RECONSUME_TIMES", "DELAY", "AEROBEE_DLQ_REASON")) {
                assertNull(m.getProperty(gone), gone);
            }
        }
        has(done("redrive", "-g", group), "0 sent, 0 passed over");
        has(done("redrive", "-g", group, "--from", "begin", "--same-queue", "--mark", "false", "--rate", "1000/s"), "6 sent, 0 passed over");
        inbox.await(15);
    }

    @Test
    void goesOnWhereItEndedAndOneAtATime() throws Exception {
        String topic = mq.topic(1);
        String other = mq.topic(1);
        String group = rejected(topic, 40);
        has(done("redrive", "-g", group, "--to", other, "--limit", "5"), "5 sent");
        AdminTool.Running job = AdminTool.start("dlq", "redrive", "-g", group, "--to", other, "--rate", "5/s", "-n", cluster.namesrvAddr());
        Inbox inbox = follow(other);
        Rmq.await("a few").until(() -> inbox.bodies().size() >= 12);
        AdminTool.Outcome second = dlq("redrive", "-g", group, "--to", other);
        assertEquals(1, second.exitCode(), second.text());
        has(second.text(), "another job has the dead letters");
        job.kill();
        // The lock of the killed job ends by itself.
        Rmq.await("the rest").atMost(Duration.ofMinutes(3)).until(() -> dlq("redrive", "-g", group, "--to", other).exitCode() == 0);
        Rmq.await("all").until(() -> inbox.bodies().stream().distinct().count() == 40);
        assertTrue(inbox.bodies().size() < 60, "sent again: " + (inbox.bodies().size() - 40));
    }

    @Test
    void goesOnAfterACrashOfTheBroker() throws Exception {
        String topic = mq.topic(1);
        String other = mq.topic(1);
        String group = rejected(topic, 40);
        AdminTool.Running job = AdminTool.start("dlq", "redrive", "-g", group, "--to", other, "--rate", "10/s", "-n", cluster.namesrvAddr());
        Rmq.await("a few").until(() -> mq.admin().maxOffset(mq.queue(other, 0)) >= 10);
        cluster.killBroker();
        assertEquals(1, job.await().exitCode());
        cluster.startBroker();
        mq.awaitRoute("%DLQ%" + group);
        Rmq.await("the rest").until(() -> dlq("redrive", "-g", group, "--to", other).exitCode() == 0);
        Inbox inbox = follow(other);
        Rmq.await("all").until(() -> inbox.bodies().stream().distinct().count() == 40);
    }

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES) // three starts of brokers
    void aStoreChangesHands() throws Exception {
        Cluster first = cluster;
        cluster = Clusters.takingTurns(ClusterSpec.standard(), "121");
        try {
            String topic = mq.topic(1);
            String other = mq.topic(1);
            String group = rejected(topic, 6);
            assertEquals(6, done("list", "-g", group).lines().filter(l -> l.contains("EARLY")).count());
            has(done("redrive", "-g", group, "--to", other, "--limit", "2"), "2 sent");
            cluster.stopBroker();
            cluster.startBroker(); // the target's
            mq.awaitRoute("%DLQ%" + group);
            has(done("list"), group);
            assertEquals(6, done("list", "-g", group).lines().filter(l -> l.contains("EARLY")).count());
            has(done("redrive", "-g", group, "--to", other, "--limit", "2"), "2 sent");
            String another = rejected(mq.topic(1), 3);
            cluster.stopBroker();
            cluster.startBroker(); // Apache's
            mq.awaitRoute("%DLQ%" + another);
            has(done("redrive", "-g", group, "--to", other), "2 sent");
            has(done("redrive", "-g", another, "--to", other), "3 sent");
            String reason = Settings.isAerobee() ? "REJECTED" : "EARLY";
            assertEquals(3, done("list", "-g", another).lines().filter(l -> l.contains(reason)).count());
            Inbox inbox = follow(other);
            Rmq.await("all").until(() -> inbox.bodies().stream().distinct().count() == 6 && inbox.bodies().size() >= 9);
        } finally {
            Cluster second = cluster;
            cluster = first;
            mq.closeLater(() -> Clusters.close(second));
        }
    }

    @Test
    void anOrderlyConsumerGivesUp() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.createTopic("%RETRY%" + group, 1);
        mq.sendNumbers(mq.producer(), topic, 0, 1);
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.setMaxReconsumeTimes(1);
            c.setSuspendCurrentQueueTimeMillis(50);
            c.registerMessageListener((List<MessageExt> batch, ConsumeOrderlyContext context) ->
                ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT);
        });
        awaitDead(group, 1);
        has(done("count", "-g", group), "ORDERED", topic);
        Inbox inbox = follow(topic);
        inbox.await(1);
        has(done("redrive", "-g", group), "1 sent");
        inbox.await(2);
    }

    @Test
    void aMessageThatWasTriedTooOften() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        mq.createTopic("%RETRY%" + group, 1);
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.setMaxReconsumeTimes(1);
            c.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> ConsumeConcurrentlyStatus.RECONSUME_LATER);
        });
        mq.producer().send(Rmq.message(topic, "*", "x"));
        awaitDead(group, 1);
        has(done("count", "-g", group), Settings.isAerobee() ? "MAX_ATTEMPTS" : "EARLY");
    }

    @Test
    void purged() throws Exception {
        String topic = mq.topic(1);
        String group = rejected(topic, 4);
        AdminTool.Outcome unconfirmed = dlq("purge", "-g", group);
        assertEquals(2, unconfirmed.exitCode());
        has(unconfirmed.text(), "4 dead letters", "--yes");
        AdminTool.Outcome out = dlq("purge", "-g", group, "--yes");
        if (!Settings.isAerobee()) {
            assertEquals(1, out.exitCode());
            has(out.text(), "only aerobee's brokers can purge");
            return;
        }
        assertEquals(0, out.exitCode(), out.text());
        assertEquals(0, done("export", "-g", group).lines().count());
        has(done("redrive", "-g", group, "--from", "begin"), "0 sent");
    }

    @Test
    void mistakesAreNamed() {
        AdminTool.Outcome none = dlq("list", "-g", "NoSuchGroup");
        assertEquals(1, none.exitCode());
        has(none.text(), "group NoSuchGroup has no dead letters");
        AdminTool.Outcome where = dlq("list", "-g", "g", "--where", "colour=red");
        assertEquals(2, where.exitCode());
        has(where.text(), "there is no name \"colour\"");
    }
}
