package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Pattern;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The verbs of Java's mqadmin, as an operator types them. A server of its own: some of them change it for everybody. */
class MqAdminTest {
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

    private static String run(String... args) {
        String out = MqAdmin.run(cluster, args);
        assertFalse(out.contains("Exception"), String.join(" ", args) + " printed\n" + out);
        return out;
    }

    private static void has(String out, String... parts) {
        for (String part : parts) {
            assertTrue(out.contains(part), "no \"" + part + "\" in\n" + out);
        }
    }

    private static void matches(String out, String regex) {
        assertTrue(Pattern.compile(regex).matcher(out).find(), "no match of " + regex + " in\n" + out);
    }

    @Test
    void clusterList() {
        String out = run("clusterList");
        matches(out, "DefaultCluster\\s+broker-a\\s+0\\s+" + Pattern.quote(cluster.brokerAddr()) + "\\s+\\S+\\s+\\S+\\(\\S+,\\s*\\S+\\)");
        matches(run("clusterList", "-m"), "DefaultCluster\\s+broker-a\\s+\\d+\\s+\\d+\\s+\\d+\\s+\\d+");
    }

    @Test
    void topicsFromCreationToDeletion() throws Exception {
        String topic = mq.newTopicName();
        has(run("updateTopic", "-c", "DefaultCluster", "-t", topic, "-r", "3", "-w", "2"),
            "create topic to " + cluster.brokerAddr() + " success.", "readQueueNums=3", "writeQueueNums=2");
        mq.awaitRoute(topic);
        matches(run("topicRoute", "-t", topic), "\"readQueueNums\":\\s*3");
        matches(run("topicRoute", "-t", topic, "-l"), "broker-a\\s+\\S+\\s+3\\s+2\\s+6");
        has(run("topicList"), topic);
        matches(run("topicList", "-c"), "DefaultCluster\\s+" + topic);
        has(run("topicClusterList", "-t", topic), "DefaultCluster");

        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 1, 4);
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(topic, 1)) == 4);
        String status = run("topicStatus", "-t", topic);
        matches(status, "broker-a\\s+0\\s+0\\s+0");
        matches(status, "broker-a\\s+1\\s+0\\s+4\\s+\\d{4}-");

        run("updateTopicPerm", "-c", "DefaultCluster", "-t", topic, "-p", "4");
        Rmq.await("permission").until(() -> mq.awaitRoute(topic).getQueueDatas().get(0).getPerm() == 4);

        String deleted = run("deleteTopic", "-c", "DefaultCluster", "-t", topic);
        has(deleted, "delete topic [" + topic + "] from cluster [DefaultCluster] success.",
            "delete topic [" + topic + "] from NameServer success.");
        Rmq.await("gone").until(() -> !run("topicList").contains(topic));
        has(MqAdmin.run(cluster, "topicRoute", "-t", topic), "No topic route info in name server for the topic: " + topic);
    }

    @Test
    void groups() throws Exception {
        String group = mq.group();
        has(run("updateSubGroup", "-c", "DefaultCluster", "-g", group, "-r", "5"),
            "create subscription group to " + cluster.brokerAddr() + " success.", "retryMaxTimes=5", group);
        assertEquals(5, mq.admin().examineSubscriptionGroupConfig(cluster.brokerAddr(), group).getRetryMaxTimes());
        has(run("getConsumerConfig", "-g", group), "broker-a", "retryMaxTimes");
        run("deleteSubGroup", "-c", "DefaultCluster", "-g", group);
    }

    @Test
    void consumersAndProducers() throws Exception {
        String topic = mq.topic(2);
        String group = mq.group();
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 6);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = mq.pushConsumer(group, c -> {
            c.subscribe(topic, "*");
            c.setPersistConsumerOffsetInterval(1000);
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.await(6);

        Rmq.await("progress").untilAsserted(() -> {
            String out = MqAdmin.run(cluster, "consumerProgress", "-g", group, "-s", "true");
            matches(out, Pattern.quote(topic) + "\\s+broker-a\\s+0\\s+6\\s+6\\s+127.0.0.1\\S*\\s+0");
            has(out, "Consume Diff Total: 0");
        });
        has(run("consumerProgress"), group);
        String connections = run("consumerConnection", "-g", group);
        has(connections, consumer.buildMQClientId(), "JAVA", topic, "ConsumeType: CONSUME_PASSIVELY", "MessageModel: CLUSTERING",
            "ConsumeFromWhere: CONSUME_FROM_FIRST_OFFSET");
        Rmq.await("producer's heartbeat").untilAsserted(() -> has(
            MqAdmin.run(cluster, "producerConnection", "-g", producer.getProducerGroup(), "-t", topic), producer.buildMQClientId()));
        has(run("consumerStatus", "-g", group), consumer.buildMQClientId());
        has(run("brokerConsumeStats", "-b", cluster.brokerAddr()), "Diff Total:");
        matches(run("statsAll", "-t", topic), Pattern.quote(topic.substring(0, Math.min(topic.length(), 60))));
    }

    @Test
    void messages() throws Exception {
        String topic = mq.topic(2);
        DefaultMQProducer producer = mq.producer();
        SendResult sent = producer.send(new Message(topic, "TheTag", "the-key", "the body".getBytes(StandardCharsets.UTF_8)),
            mq.queue(topic, 1));
        String unique = sent.getMsgId();
        Rmq.await("index").ignoreExceptions().until(() ->
            mq.admin().queryMessage(topic, "the-key", 10, 0, Long.MAX_VALUE).getMessageList().size() == 1);

        has(run("queryMsgById", "-t", topic, "-i", sent.getOffsetMsgId()), sent.getOffsetMsgId(), topic, "[TheTag]", "[the-key]", "UNIQ_KEY=" + unique);
        has(run("queryMsgByKey", "-t", topic, "-k", "the-key"), unique);
        has(run("queryMsgByUniqueKey", "-t", topic, "-i", unique), topic, "[TheTag]", "[the-key]");
        has(run("queryMsgByOffset", "-t", topic, "-b", "broker-a", "-i", "1", "-o", "0"), topic, "[TheTag]", sent.getOffsetMsgId());

        matches(run("sendMessage", "-t", topic, "-p", "from the shell", "-c", "Shell", "-k", "k2", "-b", "broker-a", "-i", "0"),
            "broker-a\\s+0\\s+SEND_OK\\s+\\S+");
        has(run("consumeMessage", "-t", topic, "-b", "broker-a", "-i", "0", "-o", "0", "-c", "1"), "from the shell");
        has(run("printMsg", "-t", topic, "-d", "true"), "the body", "from the shell", "minOffset=0, maxOffset=1");
        has(run("queryCq", "-t", topic, "-q", "1", "-i", "0", "-c", "1", "-b", cluster.brokerAddr()), "max: 1, min: 0");
    }

    @Test
    void brokerConfigurationAndStatus() throws Exception {
        String config = run("getBrokerConfig", "-b", cluster.brokerAddr());
        matches(config, "brokerName\\s+=\\s+broker-a");
        matches(config, "autoCreateTopicEnable\\s+=\\s+true");
        matches(config, "flushDiskType\\s+=\\s+ASYNC_FLUSH");
        matches(config, "messageDelayLevel\\s+=\\s+1s 5s 10s 30s");

        String old = value(config, "longPollingEnable");
        assertEquals("true", old);
        has(run("updateBrokerConfig", "-b", cluster.brokerAddr(), "-k", "longPollingEnable", "-v", "false"),
            "update broker config success, " + cluster.brokerAddr());
        assertEquals("false", value(run("getBrokerConfig", "-b", cluster.brokerAddr()), "longPollingEnable"));
        run("updateBrokerConfig", "-b", cluster.brokerAddr(), "-k", "longPollingEnable", "-v", "true");

        String status = run("brokerStatus", "-b", cluster.brokerAddr());
        for (String key : List.of("brokerVersionDesc", "bootTimestamp", "commitLogMaxOffset", "commitLogMinOffset", "putTps",
            "getTransferredTps", "msgPutTotalTodayNow", "commitLogDiskRatio", "sendThreadPoolQueueSize", "runtime",
            "earliestMessageTimeStamp", "remainHowManyDataToFlush", "dispatchBehindBytes", "brokerActive")) {
            matches(status, key + "\\s*: \\S");
        }
    }

    private static String value(String config, String key) {
        return config.lines().filter(l -> l.startsWith(key + " ")).map(l -> l.substring(l.indexOf('=') + 1).trim()).findFirst().orElse("");
    }

    @Test
    void resetOffsetByTime() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        DefaultMQProducer producer = mq.producer();
        mq.sendNumbers(producer, topic, 0, 3);
        long border = Clock.border();
        mq.sendNumbers(producer, topic, 0, 2);
        run("updateSubGroup", "-c", "DefaultCluster", "-g", group);
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(topic, 0)) == 5);
        matches(run("resetOffsetByTime", "-g", group, "-t", topic, "-s", Long.toString(border)), "broker-a\\s+0\\s+3\\s");
        matches(run("resetOffsetByTime", "-g", group, "-t", topic, "-s", "-1"), "broker-a\\s+0\\s+5\\s");
        matches(run("skipAccumulatedMessage", "-g", group, "-t", topic, "-f", "true"), "broker-a\\s+0\\s+5\\s");
    }

    @Test
    void writePermissionAtTheNameserver() throws Exception {
        String topic = mq.topic(1);
        try {
            matches(run("wipeWritePerm", "-b", "broker-a"), "wipe write perm of broker\\[broker-a\\] in name server\\[\\S+\\] OK, [1-9]\\d*");
            assertEquals(4, mq.awaitRoute(topic).getQueueDatas().get(0).getPerm());
        } finally {
            matches(run("addWritePerm", "-b", "broker-a"), "add write perm of broker\\[broker-a\\] in name server\\[\\S+\\] OK, [1-9]\\d*");
        }
        assertEquals(6, mq.awaitRoute(topic).getQueueDatas().get(0).getPerm());
    }

    @Test
    void nameserverConfiguration() throws Exception {
        has(run("updateKvConfig", "-s", "SPACE", "-k", "key1", "-v", "value1"), "create or update kv config to namespace success.");
        assertEquals("value1", mq.admin().getKVConfig("SPACE", "key1"));
        has(run("deleteKvConfig", "-s", "SPACE", "-k", "key1"), "delete kv config from namespace success.");
        String config = run("getNamesrvConfig");
        has(config, "============" + cluster.namesrvAddrs().get(0) + "============");
        matches(config, "listenPort\\s+=\\s+\\d+");
    }

    @Test
    void orderedTopics() throws Exception {
        String topic = mq.newTopicName();
        run("updateTopic", "-c", "DefaultCluster", "-t", topic, "-r", "4", "-w", "4", "-o", "true");
        mq.awaitRoute(topic);
        has(run("updateOrderConf", "-t", topic, "-m", "get"), "broker-a:4");
    }

    @Test
    void verbsForWhatDoesNotExistSaySo() {
        has(MqAdmin.run(cluster, "topicStatus", "-t", "NoSuchTopic"), "NoSuchTopic");
        has(MqAdmin.run(cluster, "consumerConnection", "-g", "NoSuchGroup"),
            "No topic route info in name server for the topic: %RETRY%NoSuchGroup");
    }
}
