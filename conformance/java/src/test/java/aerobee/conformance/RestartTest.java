package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.time.Duration;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The broker goes away, politely and not, and comes back. */
class RestartTest {
    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c)); // after the clients, which would wait for it
        }
    }

    private DefaultMQProducer persistentProducer() throws Exception {
        return mq.producer(p -> {
            p.setSendMsgTimeout(3_000);
            p.setRetryTimesWhenSendFailed(5);
        });
    }

    @Test
    void sigtermUnderLoadLosesNothing() throws Exception {
        cluster = Clusters.own(ClusterSpec.standard());
        String topic = mq.topic(4);
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        Ledger ledger = new Ledger(persistentProducer(), topic);
        ledger.awaitMore(500);

        Duration took = cluster.stopBroker();
        if (cluster.promisesQuickStop()) {
            assertTrue(took.toMillis() <= 10_000, "SIGTERM took " + took);
        }
        cluster.startBroker();
        ledger.awaitMore(500);
        ledger.stop();

        ledger.verify(mq.pullConsumer(mq.group()));
        inbox.awaitBodies(ledger.bodies());
    }

    @Test
    void sigkillUnderLoadLosesNothingThatWasFlushed() throws Exception {
        cluster = Clusters.own(ClusterSpec.standard().withSyncFlush());
        String topic = mq.topic(4);
        Ledger ledger = new Ledger(persistentProducer(), topic);
        for (int round = 0; round < 2; round++) {
            ledger.awaitMore(300);
            cluster.killBroker();
            cluster.startBroker();
        }
        ledger.awaitMore(300);
        ledger.stop();
        ledger.verify(mq.pullConsumer(mq.group()));
    }

    @Test
    void everythingIsThereAfterARestart() throws Exception {
        cluster = Clusters.own(ClusterSpec.standard());
        String topic = mq.topic(3);
        String group = mq.group();
        DefaultMQProducer producer = persistentProducer();
        List<SendResult> sent = mq.sendNumbers(producer, topic, 2, 20);
        SendResult keyed = producer.send(new Message(topic, "t", "the-key", new byte[] {1}),
            mq.queue(topic, 0));
        Inbox before = new Inbox();
        DefaultMQPushConsumer consumer = mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(before.concurrently());
        });
        before.await(21);
        Rmq.await("nothing in work").until(() -> consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl()
            .getProcessQueueTable().values().stream().allMatch(q -> q.getMsgCount().get() == 0));
        consumer.shutdown();
        Rmq.await("commit").ignoreExceptions().until(() ->
            mq.admin().examineConsumeStats(group).getOffsetTable().get(mq.queue(topic, 2)).getConsumerOffset() == 20);

        cluster.stopBroker();
        cluster.startBroker();

        assertEquals(3, mq.awaitRoute(topic).getQueueDatas().get(0).getReadQueueNums());
        Rmq.await("broker").ignoreExceptions().until(() -> mq.admin().maxOffset(mq.queue(topic, 2)) == 20);
        assertEquals("7", Rmq.body(mq.admin().viewMessage(topic, sent.get(7).getOffsetMsgId())));
        assertEquals(keyed.getMsgId(), mq.admin().queryMessage(topic, "the-key", 10, 0, Long.MAX_VALUE).getMessageList().get(0).getMsgId());
        assertEquals(20, mq.admin().examineConsumeStats(group).getOffsetTable().get(mq.queue(topic, 2)).getConsumerOffset());
        producer.send(Rmq.message(topic, "*", "after"), mq.queue(topic, 2));
        Inbox after = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(after.concurrently());
        });
        after.await(1);
        assertEquals(List.of("after"), after.bodies());
    }
}
