package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Brokers of both kinds take turns on one store with messages that wait in the timer. */
class TimerTakeoverTest {
    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    private DefaultMQProducer producer;
    private MessageQueue queue;
    private DefaultMQPullConsumer reader;
    private final Map<String, Long> due = new HashMap<>();
    private final List<String> recalled = new ArrayList<>();

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    @Timeout(value = 10, unit = TimeUnit.MINUTES) // real delays, and two starts of Apache's broker
    @ParameterizedTest(name = "killed {0}")
    @ValueSource(booleans = {false, true})
    void whatOneTookTheOtherDelivers(boolean killed) throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard()
            .with("timerRollWindowSlot", "10")
            .with("mappedFileSizeTimerLog", "5200") // some files
            .with("recallMessageEnable", "true"));
        producer = mq.producer(p -> p.setRetryTimesWhenSendFailed(5));
        queue = mq.queue(mq.topic(1), 0);

        send("Apache's, soon", 5, 40); // Apache's; soon means during the change or just after
        send("Apache's, later", 45, 120);
        send("Apache's, last", 90, 40);
        recall("Apache's, recalled", 45);

        handOn(killed); // the target's
        send("the target's, soon", 5, 40);
        send("the target's, later", 60, 120);
        recall("the target's, recalled", 60);
        await("Apache's, soon");
        await("the target's, soon");
        send("just before", 3, 40);

        handOn(killed); // Apache's
        await("Apache's, later");
        await("just before");
        send("Apache's again", 30, 120);

        handOn(killed); // the target's
        await("Apache's again");
        await("the target's, later");
        await("Apache's, last");

        List<MessageExt> got = stored();
        Map<String, Integer> times = new HashMap<>();
        for (MessageExt m : got) {
            String body = Rmq.body(m);
            times.merge(body, 1, Integer::sum);
            assertTrue(m.getStoreTimestamp() >= due.get(body), body + " came " + (due.get(body) - m.getStoreTimestamp()) + " ms early");
        }
        if (!killed) { // what was not indexed before a kill, and is due before it is, is delivered without a look at recalls
            HashSet<String> unwanted = new HashSet<>(recalled);
            unwanted.retainAll(times.keySet());
            assertEquals(new HashSet<>(), unwanted, "recalled");
            times.values().removeIf(n -> n == 1);
            assertEquals(Map.of(), times, "more than once");
        }
    }

    private void handOn(boolean killed) {
        if (killed) {
            cluster.killBroker();
        } else {
            cluster.stopBroker();
        }
        cluster.startBroker();
        mq.awaitRoute(queue.getTopic());
    }

    private SendResult sendOne(String body, long at) {
        Message m = Rmq.message(queue.getTopic(), "tag", body);
        m.setDeliverTimeMs(at);
        due.put(body, at);
        return Rmq.await("send").ignoreExceptions().until(() -> producer.send(m, queue), x -> x != null);
    }

    private void send(String name, int seconds, int n) {
        long at = System.currentTimeMillis() + seconds * 1_000L;
        for (int i = 0; i < n; i++) {
            sendOne(name + " " + i, at + 7 * i);
        }
    }

    private void recall(String name, int seconds) throws Exception {
        SendResult sent = sendOne(name, System.currentTimeMillis() + seconds * 1_000L);
        producer.recallMessage(queue.getTopic(), sent.getRecallHandle());
        recalled.add(name);
    }

    /** Everything that was delivered so far. */
    private List<MessageExt> stored() throws Exception {
        if (reader == null) { // one for all: starting one costs threads
            reader = mq.pullConsumer(mq.group());
        }
        List<MessageExt> all = new ArrayList<>();
        long end = reader.maxOffset(queue);
        for (long offset = 0; offset < end;) {
            PullResult r = reader.pull(queue, "*", offset, 32);
            if (r.getMsgFoundList() != null) {
                all.addAll(r.getMsgFoundList());
            }
            offset = r.getNextBeginOffset();
        }
        return all;
    }

    private void await(String name) {
        List<String> wanted = due.keySet().stream().filter(b -> b.startsWith(name + " ")).toList();
        assertTrue(!wanted.isEmpty());
        Rmq.await("delivery of " + name).atMost(150, TimeUnit.SECONDS).ignoreExceptions()
            .until(() -> new HashSet<>(Rmq.bodies(stored())).containsAll(wanted));
    }
}
