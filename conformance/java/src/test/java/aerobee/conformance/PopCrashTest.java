package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is popped outlives the broker: acknowledged messages stay away, the others come back. */
class PopCrashTest {
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

    private static boolean aerobee() {
        return "aerobee".equals(System.getProperty("target", "aerobee"));
    }

    private Popper popper(int n) throws Exception {
        Popper p = new Popper(mq, mq.topic(1), mq.group());
        mq.sendNumbers(mq.producer(), p.topic, 0, n);
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(p.topic, 0)) == n);
        return p;
    }

    private void restart(boolean kill) throws Exception {
        if (kill) {
            cluster.killBroker();
        } else {
            cluster.stopBroker();
        }
        cluster.startBroker();
    }

    /** Pops until there is nothing for a while, acknowledges everything, and returns the bodies as they came. */
    private List<String> drain(Popper p, int atLeast) throws Exception {
        List<String> all = new ArrayList<>();
        p.invisible = 60_000;
        p.poll = 6_000;
        Rmq.await("the rest").ignoreExceptions().until(() -> {
            List<MessageExt> got = p.take();
            for (MessageExt m : got) {
                all.add(Rmq.body(m));
                p.ack(m);
            }
            return got.isEmpty() && all.size() >= atLeast;
        });
        return all;
    }

    private void acknowledgedStayAwayOthersComeBack(boolean kill) throws Exception {
        cluster = Clusters.own(ClusterSpec.standard());
        Popper p = popper(40);
        p.invisible = 8_000;
        p.most = 20;
        List<MessageExt> got = p.take(20);
        Set<String> expected = new TreeSet<>();
        for (int i = 0; i < 20; i++) {
            MessageExt m = got.get(i);
            if (i % 2 == 0) {
                assertEquals(AckStatus.OK, p.ack(m).getStatus());
            } else {
                expected.add(Rmq.body(m));
            }
        }
        restart(kill);
        mq.awaitRoute(p.topic);
        for (int i = 20; i < 40; i++) {
            expected.add(Integer.toString(i)); // not popped before
        }
        List<String> rest = drain(p, expected.size());
        assertEquals(expected, new TreeSet<>(rest));
        assertEquals(expected.size(), rest.size(), "each once");
    }

    @Test
    void restart() throws Exception {
        acknowledgedStayAwayOthersComeBack(false);
    }

    @Test
    void kill() throws Exception {
        // Apache's broker writes group offsets every five seconds, and delivers again what was popped since.
        Assumptions.assumeTrue(aerobee(), "Apache's broker delivers acknowledged messages again");
        acknowledgedStayAwayOthersComeBack(true);
    }

    @Test
    void receiptsOutliveTheBroker() throws Exception {
        cluster = Clusters.own(ClusterSpec.standard());
        Popper p = popper(4);
        p.invisible = 25_000;
        List<MessageExt> got = p.take(4);
        restart(false);
        mq.awaitRoute(p.topic);
        Rmq.await("ack").ignoreExceptions().until(() -> p.ack(got.get(0)).getStatus() == AckStatus.OK);
        assertEquals(AckStatus.OK, p.ackAll(got.subList(1, 3)).getStatus());
        assertEquals(List.of("3"), drain(p, 1));
    }

    @Test
    void killsUnderLoadLoseNothingAndBringNothingBack() throws Exception {
        Assumptions.assumeTrue(aerobee(), "Apache's broker delivers acknowledged messages again");
        cluster = Clusters.own(ClusterSpec.standard());
        Popper p = popper(300);
        Set<String> acked = new HashSet<>();
        Set<String> unknown = new HashSet<>(); // their acknowledgement was not answered
        p.invisible = 3_000;
        p.most = 8;
        for (int round = 0; round < 3; round++) {
            int until = acked.size() + 60;
            while (acked.size() < until) {
                for (MessageExt m : p.take()) {
                    String body = Rmq.body(m);
                    assertTrue(!acked.contains(body), body + " came again after its acknowledgement");
                    if (m.getQueueOffset() % 7 == 3 && m.getReconsumeTimes() == 0) {
                        continue; // not acknowledged the first time
                    }
                    unknown.add(body);
                    if (p.ack(m).getStatus() == AckStatus.OK) {
                        acked.add(body);
                        unknown.remove(body);
                    }
                }
            }
            restart(true);
            mq.awaitRoute(p.topic);
            Rmq.await("the broker").ignoreExceptions().until(() -> p.notification().get() != null);
        }
        Rmq.await("the rest").ignoreExceptions().until(() -> {
            for (MessageExt m : p.take()) {
                String body = Rmq.body(m);
                if (acked.contains(body)) {
                    throw new AssertionError(body + " came again after its acknowledgement");
                }
                if (p.ack(m).getStatus() == AckStatus.OK) {
                    acked.add(body);
                }
            }
            unknown.removeAll(acked);
            return acked.size() + unknown.size() == 300;
        });
    }

    @Test
    void aTopicMadeAnewIsNotTouchedByOldReceipts() throws Exception {
        Assumptions.assumeTrue(aerobee(), "Apache's broker redelivers messages of the new topic");
        cluster = Clusters.own(ClusterSpec.standard());
        Popper p = popper(3);
        p.invisible = 4_000;
        List<MessageExt> old = p.take(3);
        mq.admin().deleteTopicInBroker(Set.of(cluster.brokerAddr()), p.topic);
        mq.createTopic(p.topic, 1);
        mq.sendNumbers(mq.producer(), p.topic, 0, 3);
        restart(true); // the old check points are read again
        mq.awaitRoute(p.topic);
        Rmq.await("ack").ignoreExceptions().until(() -> p.ack(old.get(0)).getStatus() == AckStatus.OK);
        List<String> all = drain(p, 3);
        assertEquals(List.of("0", "1", "2"), all);
    }
}
