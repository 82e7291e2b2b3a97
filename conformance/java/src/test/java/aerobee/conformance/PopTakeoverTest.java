package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A store changes its broker while messages are popped and not acknowledged. */
class PopTakeoverTest {
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

    private void turn(String topic) {
        cluster.stopBroker();
        cluster.startBroker();
        mq.awaitRoute(topic);
    }

    private List<String> drain(Popper p, int atLeast) throws Exception {
        List<String> all = new ArrayList<>();
        p.invisible = 60_000;
        p.poll = 8_000;
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

    @Test
    void theTargetsLeasesEndAtApaches() throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard());
        Popper p = new Popper(mq, mq.topic(1), mq.group());
        turn(p.topic); // the target's
        mq.sendNumbers(mq.producer(), p.topic, 0, 10);
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(p.topic, 0)) == 10);
        p.invisible = 5_000;
        p.most = 6;
        List<MessageExt> got = p.take(6);
        assertEquals(AckStatus.OK, p.ack(got.get(0)).getStatus());
        assertEquals(AckStatus.OK, p.ackAll(got.subList(2, 5)).getStatus());
        p.most = 32;
        turn(p.topic); // Apache's
        List<String> rest = drain(p, 6);
        assertEquals(Set.of("1", "5", "6", "7", "8", "9"), new TreeSet<>(rest));
        assertEquals(6, rest.size());
    }

    @Test
    void apachesCommittedOffsetsAndRetryTopicsGoOn() throws Exception {
        cluster = Clusters.takingTurns(ClusterSpec.standard());
        Popper p = new Popper(mq, mq.topic(1), mq.group());
        mq.sendNumbers(mq.producer(), p.topic, 0, 6); // Apache's
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(p.topic, 0)) == 6);
        p.invisible = 1_000;
        p.most = 4;
        List<MessageExt> got = p.take(4);
        assertEquals(AckStatus.OK, p.ackAll(List.of(got.get(0), got.get(1))).getStatus());
        String retry = "%RETRY%" + p.group + "_" + p.topic;
        Rmq.await("redelivery").ignoreExceptions().until(() -> mq.admin().maxOffset(mq.queue(retry, 0)) == 2);
        p.most = 32;
        turn(p.topic); // the target's
        List<String> rest = drain(p, 4);
        assertEquals(Set.of("2", "3", "4", "5"), new TreeSet<>(rest));
        assertEquals(4, rest.size());
    }
}
