package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages that are popped in order: no batch of a queue before the last one is done with. */
class PopOrderTest {
    private Cluster own;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> own != null ? own : Clusters.shared());

    private Popper popper(int n) throws Exception {
        Popper p = new Popper(mq, mq.topic(1), mq.group());
        mq.sendNumbers(mq.producer(), p.topic, 0, n);
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(p.topic, 0)) == n);
        p.order = true;
        p.queue = 0;
        p.most = 2;
        return p;
    }

    private long committed(Popper p) throws Exception {
        return mq.admin().examineConsumeStats(p.group, p.topic).getOffsetTable().get(mq.queue(p.topic, 0)).getConsumerOffset();
    }

    @Test
    void aBatchBlocksTheNextOne() throws Exception {
        Popper p = popper(5);
        List<MessageExt> first = p.take(2);
        assertEquals(List.of("0", "1"), Rmq.bodies(first));
        assertEquals("999", Popper.receipt(first.get(0)).split(" ")[3]);
        assertEquals(List.of(), p.take());
        assertEquals(AckStatus.OK, p.ack(first.get(0)).getStatus());
        assertEquals(List.of(), p.take(), "one is not acknowledged yet");
        assertEquals(1, committed(p));
        assertEquals(AckStatus.OK, p.ack(first.get(1)).getStatus());
        assertEquals(2, committed(p));
        List<MessageExt> second = p.take(2);
        assertEquals(List.of("2", "3"), Rmq.bodies(second));
        assertEquals(AckStatus.OK, p.ackAll(second).getStatus());
        assertEquals(List.of("4"), Rmq.bodies(p.take(1)));
    }

    @Test
    void comesAgainInOrderAndIsCounted() throws Exception {
        Popper p = popper(3);
        p.invisible = 700;
        assertEquals(List.of(0, 0), p.take(2).stream().map(MessageExt::getReconsumeTimes).toList());
        List<MessageExt> again = p.take(2);
        assertEquals(List.of("0", "1"), Rmq.bodies(again));
        assertEquals(List.of(1, 1), again.stream().map(MessageExt::getReconsumeTimes).toList());
    }

    @Test
    void theSameAttemptGetsTheSameBatch() throws Exception {
        Popper p = popper(3);
        p.attempt = "a1";
        assertEquals(List.of("0", "1"), Rmq.bodies(p.take(2)));
        List<MessageExt> again = p.take(2);
        assertEquals(List.of("0", "1"), Rmq.bodies(again));
        assertEquals(List.of(0, 0), again.stream().map(MessageExt::getReconsumeTimes).toList());
        p.attempt = "a2";
        assertEquals(List.of(), p.take());
    }

    @Test
    void anAcknowledgementWakesWhoWaits() throws Exception {
        Popper p = popper(4);
        List<MessageExt> first = p.take(2);
        p.poll = 20_000;
        CompletableFuture<PopResult> waiting = p.popAsync();
        for (MessageExt m : first) {
            assertEquals(AckStatus.OK, p.ack(m).getStatus());
        }
        PopResult r = waiting.get(15, TimeUnit.SECONDS);
        assertEquals(PopStatus.FOUND, r.getPopStatus());
        assertEquals(List.of("2", "3"), Rmq.bodies(r.getMsgFoundList()));
    }

    @Test
    void theEndOfTheInvisibleTimeWakesWhoWaits() throws Exception {
        Popper p = popper(2);
        p.invisible = 1_000;
        p.take(2);
        p.poll = 20_000;
        PopResult r = p.pop();
        assertEquals(PopStatus.FOUND, r.getPopStatus());
        assertEquals(List.of("0", "1"), Rmq.bodies(r.getMsgFoundList()));
    }

    @Test
    void changeOfTheInvisibleTime() throws Exception {
        Popper p = popper(2);
        List<MessageExt> first = p.take(2);
        assertEquals(AckStatus.OK, p.ack(first.get(1)).getStatus());
        assertEquals(AckStatus.OK, p.changeInvisible(first.get(0), 500).getStatus());
        MessageExt again = p.take(1).get(0);
        assertEquals("0", Rmq.body(again));
        assertTrue(again.getReconsumeTimes() >= 1);
    }

    @Test
    void anAcknowledgedOneStaysSoBehindOneThatIsNot() throws Exception {
        Assumptions.assumeTrue("aerobee".equals(System.getProperty("target", "aerobee")), "Apache's broker delivers it again");
        Popper p = popper(2);
        List<MessageExt> first = p.take(2);
        assertEquals(AckStatus.OK, p.ack(first.get(1)).getStatus());
        assertEquals(AckStatus.OK, p.changeInvisible(first.get(0), 500).getStatus());
        List<MessageExt> again = p.take(1);
        assertEquals(List.of("0"), Rmq.bodies(again));
        assertEquals(AckStatus.OK, p.ack(again.get(0)).getStatus());
        assertEquals(2, committed(p));
    }

    @Test
    void survivesAKill() throws Exception {
        Assumptions.assumeTrue("aerobee".equals(System.getProperty("target", "aerobee")), "Apache's broker writes this state every ten seconds");
        Cluster c = Clusters.own(ClusterSpec.standard());
        own = c;
        mq.closeLater(() -> Clusters.close(c));
        Popper p = popper(4);
        List<MessageExt> first = p.take(2);
        assertEquals(AckStatus.OK, p.ack(first.get(0)).getStatus());
        c.killBroker();
        c.startBroker();
        mq.awaitRoute(p.topic);
        Rmq.await("the broker").ignoreExceptions().until(() -> p.take().isEmpty()); // still blocked
        assertEquals(1, committed(p));
        assertEquals(AckStatus.OK, p.ack(first.get(1)).getStatus());
        assertEquals(List.of("2", "3"), Rmq.bodies(p.take(2)));
    }
}
