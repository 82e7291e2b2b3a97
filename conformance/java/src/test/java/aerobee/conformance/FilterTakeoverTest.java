package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONObject;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Brokers of both kinds take turns on a store with consumerFilter.json, while a consumer goes on. */
class FilterTakeoverTest {
    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    private List<String> send(DefaultMQProducer producer, MessageQueue queue, int from) throws Exception {
        List<String> wanted = new ArrayList<>();
        for (int i = from; i < from + 40; i++) {
            Message m = Rmq.message(queue.getTopic(), "tag", Integer.toString(i));
            m.putUserProperty("a", Integer.toString(i % 4));
            Rmq.await("send " + i).ignoreExceptions().until(() -> producer.send(m, queue) != null);
            if (i % 4 == 3) {
                wanted.add(Integer.toString(i));
            }
        }
        return wanted;
    }

    /** What the file says of the group, after the broker stopped. */
    private JSONObject entry(String topic, String group) throws Exception {
        JSONObject file = JSON.parseObject(Files.readString(cluster.storeDir().resolve("config/consumerFilter.json")));
        return file.getJSONObject("filterDataByTopic").getJSONObject(topic).getJSONObject("groupFilterData").getJSONObject(group);
    }

    @Test
    @Timeout(value = 15, unit = TimeUnit.MINUTES) // two starts of Apache's broker
    void consumersGoOn() throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard().with("enablePropertyFilter", "true")
            .with("enableConsumeQueueExt", "true").with("enableCalcFilterBitMap", "true"));
        String topic = mq.topic(1);
        String group = mq.group();
        MessageQueue queue = mq.queue(topic, 0);
        DefaultMQProducer producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        Inbox inbox = new Inbox();
        mq.pushConsumer(group, c -> {
            c.subscribe(topic, MessageSelector.bySql("a > 2"));
            c.registerMessageListener(inbox.concurrently());
        });
        List<String> all = new ArrayList<>(send(producer, queue, 0)); // Apache's
        inbox.awaitBodies(all);
        cluster.stopBroker();
        JSONObject before = entry(topic, group);
        assertEquals("a > 2", before.getString("expression"));
        for (int turn = 1; turn < 3; turn++) { // the target's, Apache's
            cluster.startBroker();
            mq.awaitRoute(topic);
            all.addAll(send(producer, queue, 40 * turn));
            inbox.awaitBodies(all);
            assertTrue(all.containsAll(inbox.bodies()), "unwanted messages: " + inbox.bodies());
            cluster.stopBroker();
            JSONObject after = entry(topic, group);
            for (String key : List.of("expression", "expressionType", "bornTime", "consumerGroup", "topic", "bloomFilterData")) {
                assertEquals(before.get(key), after.get(key), key + " after turn " + turn);
            }
            assertTrue(after.getLongValue("clientVersion") >= before.getLongValue("clientVersion"));
        }
        cluster.startBroker();
    }
}
