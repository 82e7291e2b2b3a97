package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import aerobee.conformance.harness.Settings;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every sub-command of mqadmin 5.5.0, against Apache's servers and against the target with the same data: what they print is
 * the same but for times, addresses, ids and loads. What differs is in DIFFERENT, with the reason; a difference that has
 * gone fails the test as well, so that the list stays true.
 */
class EveryVerbTest {
    private static final String TOPIC = "EveryVerbTopic";
    private static final String ORDERED = "EveryVerbOrdered";
    private static final String GROUP = "EveryVerbGroup";
    private static final String OTHER = "EveryVerbOther";

    /** Sub-commands that are not run, and why. */
    private static final Map<String, String> NOT_RUN = Map.ofEntries(
        Map.entry("startMonitoring", "runs for ever"),
        Map.entry("clusterRT", "runs for ever"),
        Map.entry("exportMetadataInRocksDB", "reads files of RocksDB, sends nothing"),
        Map.entry("dumpCompactionLog", "reads a file, sends nothing"));

    private static final String COUNTS = "the sizes of two tables: aerobee counts the queues and offsets that it has, which are others before a user comes";
    private static final String STATIC = "aerobee has no static topics (code 3)";
    private static final String USERS = "aerobee has no users and ACLs yet (code 3); Apache's broker without them fails in another way";
    private static final String RESTART = "aerobee's nameserver refuses a key that takes effect only at a start; Apache's stores it, without effect";
    private static final String KEYS = "aerobee lists the keys of all parts of a configuration file, and none of the file's own place";

    /** Cases whose outputs differ, and why. */
    private static final Map<String, String> DIFFERENT = Map.ofEntries(
        Map.entry("getBrokerLiteInfo -b {broker}", COUNTS),
        Map.entry("updateStaticTopic -t EveryVerbStatic -qn 2 -b broker-a", STATIC),
        Map.entry("remappingStaticTopic -t EveryVerbStatic -b broker-a", STATIC),
        Map.entry("updateNamesrvConfig -k waitSecondsForService -v 46", RESTART),
        Map.entry("getBrokerConfig -b {broker}", KEYS),
        Map.entry("getNamesrvConfig", KEYS),
        Map.entry("createUser -b {broker} -u user -p secret12", USERS),
        Map.entry("updateUser -b {broker} -u user -p secret34", USERS),
        Map.entry("getUser -b {broker} -u user", USERS),
        Map.entry("listUser -b {broker}", USERS),
        Map.entry("deleteUser -b {broker} -u user", USERS),
        Map.entry("createAcl -b {broker} -s User:user -r Topic:T -a Pub -d Allow", USERS),
        Map.entry("updateAcl -b {broker} -s User:user -r Topic:T -a Sub -d Allow", USERS),
        Map.entry("getAcl -b {broker} -s User:user", USERS),
        Map.entry("listAcl -b {broker}", USERS),
        Map.entry("deleteAcl -b {broker} -s User:user -r Topic:T", USERS),
        Map.entry("copyUser -f {broker} -t {broker} -u user", USERS),
        Map.entry("copyAcl -f {broker} -t {broker} -s User:user", USERS));

    private Cluster apache;
    private Cluster target;

    @RegisterExtension
    final Rmq atApache = new Rmq(() -> apache);

    @RegisterExtension
    final Rmq atTarget = new Rmq(() -> target);

    @TempDir
    private Path dir;

    @AfterEach
    void stop() {
        atApache.closeLater(() -> Stream.of(apache, target).filter(c -> c != null).forEach(Clusters::close));
    }

    /** A command line; words in braces are filled in for each cluster. */
    private record Case(String name, List<String> args) {
        String verb() {
            return args.get(0);
        }
    }

    private static Case c(String line) {
        return new Case(line, List.of(line.split(" ")));
    }

    private static List<Case> cases() {
        return Stream.of(
            // Topics.
            "updateTopic -c DefaultCluster -t EveryVerbMade -r 3 -w 2",
            "updateTopic -c DefaultCluster -t EveryVerbMade -r 3 -w 3 -p 6 -a +message.type=FIFO",
            "updateTopic -b {broker} -t EveryVerbMade -r 3 -w 3 -a +no.such=1",
            "updateTopic -b {broker} -t TBW102 -r 3 -w 3",
            "updateTopic -b {broker} -t bad!name -r 3 -w 3",
            "updateTopicList -b {broker} -f {topics}",
            "updateTopicPerm -b {broker} -t EveryVerbMade -p 4",
            "topicRoute -t EveryVerbMade", "topicRoute -t EveryVerbMade -l", "topicRoute -t NoSuchTopic",
            "topicStatus -t EveryVerbTopic", "topicStatus -t NoSuchTopic",
            "topicClusterList -t EveryVerbTopic",
            "topicList", "topicList -c",
            "allocateMQ -t EveryVerbTopic -i 10.0.0.1,10.0.0.2",
            "updateOrderConf -t EveryVerbOrdered -m put -v broker-a:2",
            "updateOrderConf -t EveryVerbOrdered -m get", "updateOrderConf -t EveryVerbOrdered -m delete",
            "updateOrderConf -t NoSuchTopic -m get",
            // Groups.
            "updateSubGroup -b {broker} -g EveryVerbOther -r 5 -q 2",
            "updateSubGroup -c DefaultCluster -g EveryVerbOther -a +priority.factor=7",
            "updateSubGroup -b {broker} -g EveryVerbOther -a +no.such=1",
            "updateSubGroupList -b {broker} -f {groups}",
            "getConsumerConfig -g EveryVerbOther", "getConsumerConfig -g NoSuchGroup",
            "consumerProgress", "consumerProgress -g EveryVerbGroup", "consumerProgress -g EveryVerbGroup -s true",
            "consumerProgress -g EveryVerbGroup -t EveryVerbTopic", "consumerProgress -g NoSuchGroup",
            "consumerConnection -g EveryVerbGroup", "consumerConnection -g EveryVerbGroup -b {broker}", "consumerConnection -g EveryVerbOther",
            "consumerStatus -g EveryVerbGroup", "consumerStatus -g EveryVerbGroup -s",
            "producerConnection -g EveryVerbProducer -t EveryVerbTopic", "producerConnection -g NoSuchGroup -t EveryVerbTopic",
            "producer -b {broker}",
            "brokerConsumeStats -b {broker}", "brokerConsumeStats -b {broker} -o true",
            "statsAll -a", "statsAll -t EveryVerbTopic",
            "setConsumeMode -b {broker} -t EveryVerbTopic -g EveryVerbOther -m POP -q 2",
            // Offsets.
            "cloneGroupOffset -s EveryVerbGroup -d EveryVerbOther -t EveryVerbTopic",
            "resetOffsetByTime -g EveryVerbOther -t EveryVerbTopic -s 0",
            "resetOffsetByTime -g EveryVerbOther -t EveryVerbTopic -s -1",
            "resetOffsetByTime -g EveryVerbOther -t EveryVerbTopic -s 0 -b {broker} -q 1 -o 1",
            "resetOffsetByTime -g NoSuchGroup -t NoSuchTopic -s 0",
            "skipAccumulatedMessage -g EveryVerbOther -t EveryVerbTopic",
            // Messages.
            "queryMsgById -t EveryVerbTopic -i {offsetId}",
            "queryMsgByKey -t EveryVerbTopic -k the-key", "queryMsgByKey -t EveryVerbTopic -k no-key",
            "queryMsgByUniqueKey -t EveryVerbTopic -i {id}", "queryMsgByUniqueKey -t EveryVerbTopic -i 7F0000010BDE000000000000000000FF",
            "queryMsgByOffset -t EveryVerbTopic -b broker-a -i 1 -o 0", "queryMsgByOffset -t EveryVerbTopic -b broker-a -i 1 -o 99",
            "queryMsgTraceById -i {id} -t EveryVerbTopic",
            "printMsg -t EveryVerbTopic -d true", "printMsg -t EveryVerbTopic -s TheTag -d true",
            "printMsgByQueue -t EveryVerbTopic -a broker-a -i 1 -p true -d true -f true",
            "consumeMessage -t EveryVerbTopic -b broker-a -i 1 -o 0 -c 1",
            "queryCq -t EveryVerbTopic -q 1 -i 0 -c 2 -b {broker}",
            "queryCq -t EveryVerbTopic -q 1 -i 0 -c 2 -b {broker} -g EveryVerbGroup",
            "queryCq -t NoSuchTopic -q 1 -i 0 -c 2 -b {broker}",
            "sendMessage -t EveryVerbOrdered -p hello -c Tag -k key -b broker-a -i 0",
            "sendMsgStatus -b broker-a -s 10 -c 2", "checkMsgSendRT -t EveryVerbOrdered -a 2 -s 10",
            // Brokers and nameservers.
            "clusterList", "clusterList -m", "brokerStatus -b {broker}", "brokerStatus -c DefaultCluster",
            "getBrokerConfig -b {broker}",
            "updateBrokerConfig -b {broker} -k longPollingEnable -v false", "updateBrokerConfig -b {broker} -k longPollingEnable -v true",
            "updateBrokerConfig -b {broker} -k brokerConfigPath -v /tmp/x",
            "getNamesrvConfig", "updateNamesrvConfig -k waitSecondsForService -v 46", "updateNamesrvConfig -k configStorePath -v /tmp/x",
            "updateKvConfig -s SPACE -k key -v value", "deleteKvConfig -s SPACE -k key", "deleteKvConfig -s SPACE -k no-key",
            "wipeWritePerm -b broker-a", "addWritePerm -b broker-a", "wipeWritePerm -b no-broker",
            "cleanExpiredCQ -b {broker}", "cleanUnusedTopic -b {broker}", "deleteExpiredCommitLog -b {broker}",
            "haStatus -b {broker}", "getBrokerEpoch -c DefaultCluster", "resetMasterFlushOffset -b {broker} -o 0",
            "addBroker -c {broker} -b /tmp/no.conf", "removeBroker -c {broker} -b DefaultCluster:broker-a:0",
            "getSyncStateSet -a {namesrv} -b broker-a", "getControllerMetaData -a {namesrv}", "getControllerConfig -a {namesrv}",
            "updateControllerConfig -a {namesrv} -k a -v b", "electMaster -a {namesrv} -b 0 -bn broker-a -c DefaultCluster",
            "cleanBrokerMetadata -a {namesrv} -bn broker-a -c DefaultCluster",
            "updateColdDataFlowCtrGroupConfig -b {broker} -g EveryVerbOther -v 1000", "getColdDataFlowCtrInfo -b {broker}",
            "removeColdDataFlowCtrGroupConfig -b {broker} -g EveryVerbOther", "setCommitLogReadAheadMode -b {broker} -m 0",
            "switchTimerEngine -b {broker} -e F",
            "checkRocksdbCqWriteProgress -c DefaultCluster -n {namesrv} -t EveryVerbTopic",
            "rocksDBConfigToJson -c DefaultCluster -t topics",
            "exportMetadata -c DefaultCluster -f {dir} -t", "exportMetadata -b {broker} -f {dir} -g",
            "exportConfigs -c DefaultCluster -f {dir}", "exportMetrics -c DefaultCluster -f {dir}",
            "exportPopRecord -b {broker} -d true",
            "updateStaticTopic -t EveryVerbStatic -qn 2 -b broker-a", "remappingStaticTopic -t EveryVerbStatic -b broker-a",
            // Users, light topics.
            "createUser -b {broker} -u user -p secret12", "updateUser -b {broker} -u user -p secret34", "getUser -b {broker} -u user",
            "listUser -b {broker}", "deleteUser -b {broker} -u user",
            "createAcl -b {broker} -s User:user -r Topic:T -a Pub -d Allow", "updateAcl -b {broker} -s User:user -r Topic:T -a Sub -d Allow",
            "getAcl -b {broker} -s User:user", "listAcl -b {broker}", "deleteAcl -b {broker} -s User:user -r Topic:T",
            "copyUser -f {broker} -t {broker} -u user", "copyAcl -f {broker} -t {broker} -s User:user",
            "getBrokerLiteInfo -b {broker}", "getParentTopicInfo -p EveryVerbTopic", "getLiteTopicInfo -p EveryVerbTopic -l x",
            "getLiteClientInfo -p EveryVerbTopic -g EveryVerbGroup -c client", "getLiteGroupInfo -p EveryVerbTopic -g EveryVerbGroup",
            "triggerLiteDispatch -p EveryVerbTopic -g EveryVerbGroup -c client",
            // Ends.
            "deleteTopic -c DefaultCluster -t EveryVerbMade", "deleteTopic -c DefaultCluster -t NoSuchTopic",
            "deleteSubGroup -b {broker} -g EveryVerbOther -r true", "deleteSubGroup -c DefaultCluster -g EveryVerbOther")
            .map(EveryVerbTest::c).toList();
    }

    private static Set<String> registered() throws Exception {
        MQAdminStartup.initCommand();
        var field = MQAdminStartup.class.getDeclaredField("SUB_COMMANDS");
        field.setAccessible(true);
        return ((List<?>) field.get(null)).stream().map(s -> ((SubCommand) s).commandName()).collect(Collectors.toCollection(TreeSet::new));
    }

    /** The same topics, groups, messages and clients in a cluster. */
    private static SendResult fill(Rmq mq, String kind) throws Exception {
        mq.createTopic(TOPIC, 2);
        mq.createTopic(ORDERED, 2);
        mq.createTopic("%RETRY%" + GROUP, 1);
        DefaultMQProducer producer = mq.producer(p -> {
            p.setProducerGroup("EveryVerbProducer");
            p.setInstanceName("producer-" + kind);
        });
        SendResult sent = producer.send(new Message(TOPIC, "TheTag", "the-key", "the body".getBytes(StandardCharsets.UTF_8)), mq.queue(TOPIC, 1));
        producer.send(new Message(TOPIC, "Other", "k2", "another".getBytes(StandardCharsets.UTF_8)), mq.queue(TOPIC, 1));
        producer.send(new Message(TOPIC, "", "", "third".getBytes(StandardCharsets.UTF_8)), mq.queue(TOPIC, 0));
        Inbox inbox = new Inbox();
        mq.pushConsumer(GROUP, (DefaultMQPushConsumer c) -> {
            c.setInstanceName("consumer-" + kind);
            c.setPersistConsumerOffsetInterval(1000);
            c.subscribe(TOPIC, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.await(3);
        Rmq.await("progress").ignoreExceptions().until(() -> mq.admin().examineConsumeStats(GROUP).computeTotalDiff() == 0
            && mq.admin().examineConsumeStats(GROUP, TOPIC).getOffsetTable().values().stream().mapToLong(o -> o.getConsumerOffset()).sum() == 3);
        Rmq.await("index").ignoreExceptions().until(() ->
            mq.admin().queryMessage(TOPIC, "the-key", 10, 0, Long.MAX_VALUE).getMessageList().size() == 1);
        Rmq.await("producer").ignoreExceptions().until(() ->
            !mq.admin().examineProducerConnectionInfo("EveryVerbProducer", TOPIC).getConnectionSet().isEmpty());
        return sent;
    }

    private Map<String, String> runAll(Rmq mq, String kind) throws Exception {
        Cluster cluster = mq.cluster();
        SendResult sent = fill(mq, kind);
        Path topics = Files.writeString(dir.resolve(kind + "-topics.json"),
            "[{\"topicName\":\"EveryVerbListed\",\"readQueueNums\":2,\"writeQueueNums\":2,\"perm\":6}]");
        Path groups = Files.writeString(dir.resolve(kind + "-groups.json"), "[{\"groupName\":\"EveryVerbListed\",\"retryMaxTimes\":3}]");
        Map<String, String> words = Map.of("{broker}", cluster.brokerAddr(), "{namesrv}", cluster.namesrvAddr(), "{topics}", topics.toString(),
            "{groups}", groups.toString(), "{dir}", dir.resolve(kind).toString(), "{id}", sent.getMsgId(), "{offsetId}", sent.getOffsetMsgId());
        Map<String, String> outputs = new LinkedHashMap<>();
        for (Case c : cases()) {
            String[] args = c.args().stream().map(a -> words.getOrDefault(a, a)).toArray(String[]::new);
            outputs.put(c.name(), masked(c.verb(), MqAdmin.run(cluster, args), words));
        }
        return outputs;
    }

    private static final List<Map.Entry<Pattern, String>> MASKS = List.of(
        Map.entry(Pattern.compile("(?m)^\\s+at [\\w.$]+.*$\\R?"), ""),
        Map.entry(Pattern.compile("(?m)^\\s+\\.\\.\\. \\d+ more$\\R?"), ""),
        Map.entry(Pattern.compile("(127\\.0\\.0\\.1|/127\\.0\\.0\\.1|\\d+\\.\\d+\\.\\d+\\.\\d+):\\d+"), "ADDR"),
        Map.entry(Pattern.compile("(producer|consumer)-(apache|target)"), "$1"),
        Map.entry(Pattern.compile("@admin-\\w+"), "@admin"),
        Map.entry(Pattern.compile("commitLogDiskRatio_\\S+"), "commitLogDiskRatio_PATH"),
        Map.entry(Pattern.compile("[0-9A-F]{32,}"), "ID"),
        Map.entry(Pattern.compile("\\d{4}-\\d\\d-\\d\\d[ T#]\\d\\d:\\d\\d:\\d\\d(([:.,])\\d{1,3})?"), "TIME"),
        Map.entry(Pattern.compile("\\b1[5-9]\\d{11}\\b"), "MS"),
        Map.entry(Pattern.compile("-?\\d+\\.\\d+(E-?\\d+)?"), "NUM"),
        Map.entry(Pattern.compile("[ \\t]+"), " "),
        Map.entry(Pattern.compile("(?m) $"), ""));

    /** Verbs whose lines come in no order. */
    private static final Set<String> UNORDERED = Set.of("topicList", "producer", "getColdDataFlowCtrInfo");

    /** Verbs that print a name and a value of this very broker on each line, in no order: the names are compared. */
    private static final Set<String> NAMES = Set.of("brokerStatus", "getBrokerConfig", "getNamesrvConfig");

    /** Verbs that print what was measured. */
    private static final Set<String> MEASURED = Set.of("clusterList", "haStatus", "sendMsgStatus", "checkMsgSendRT", "statsAll");

    private static String masked(String verb, String out, Map<String, String> words) {
        for (Map.Entry<String, String> w : words.entrySet()) {
            out = out.replace(w.getValue(), w.getKey());
        }
        for (Map.Entry<Pattern, String> mask : MASKS) {
            out = mask.getKey().matcher(out).replaceAll(mask.getValue());
        }
        Stream<String> lines = out.lines().filter(l -> !l.isBlank());
        if (MEASURED.contains(verb)) {
            lines = lines.map(l -> l.replaceAll("\\d+", "N"));
        }
        if (NAMES.contains(verb)) {
            lines = lines.map(l -> l.replaceFirst(" ?(=|:) .*| =$", "")).filter(l -> !l.contains("aerobee"));
        }
        if (NAMES.contains(verb) || UNORDERED.contains(verb)) {
            lines = lines.map(l -> l.replaceFirst(",$", "")).sorted();
        }
        return lines.collect(Collectors.joining("\n"));
    }

    @Test
    @Timeout(value = 15, unit = TimeUnit.MINUTES) // two hundred starts of the tool
    void outputsAreTheSame() throws Exception {
        List<Case> cases = cases();
        Set<String> run = cases.stream().map(Case::verb).collect(Collectors.toCollection(TreeSet::new));
        run.addAll(NOT_RUN.keySet());
        assertEquals(registered(), run, "sub-commands of mqadmin that are run, or not for a reason");

        apache = Clusters.reference(ClusterSpec.standard());
        target = Clusters.own(ClusterSpec.standard());
        Map<String, String> want = runAll(atApache, "apache");
        Map<String, String> got = runAll(atTarget, "target");
        StringBuilder report = new StringBuilder();
        for (String name : want.keySet()) {
            boolean same = want.get(name).equals(got.get(name));
            boolean known = Settings.isAerobee() && DIFFERENT.containsKey(name);
            if (!same && !known) {
                report.append("DIFFERENT: ").append(name).append("\n--- apache\n").append(want.get(name)).append("\n--- target\n")
                    .append(got.get(name)).append("\n===\n");
            } else if (same && known) {
                report.append("THE SAME, although the list of differences has it: ").append(name).append("\n===\n");
            }
        }
        Set<String> unknown = new TreeSet<>(DIFFERENT.keySet());
        unknown.removeAll(want.keySet());
        assertEquals(Set.of(), unknown, "differences of cases that there are not");
        assertTrue(report.isEmpty(), report.toString());
    }
}
