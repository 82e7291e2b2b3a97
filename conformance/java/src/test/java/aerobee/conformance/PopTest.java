package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.constant.ConsumeInitMode;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.header.PeekMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PollingInfoRequestHeader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages are popped, acknowledged one by one or together, kept longer, and come back when nobody acknowledges them. */
class PopTest {
    private Cluster own;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> own != null ? own : Clusters.shared());

    private void own(ClusterSpec spec) throws Exception {
        Cluster c = Clusters.own(spec);
        own = c;
        mq.closeLater(() -> Clusters.close(c));
    }

    private Popper popper(int queues) throws Exception {
        return new Popper(mq, mq.topic(queues), mq.group());
    }

    private void send(Popper p, int queue, int n) throws Exception {
        mq.sendNumbers(mq.producer(), p.topic, queue, n);
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(p.topic, queue)) >= n);
    }

    private static List<String> numbers(int from, int to) {
        List<String> all = new ArrayList<>();
        for (int i = from; i < to; i++) {
            all.add(Integer.toString(i));
        }
        return all;
    }

    @Test
    void popsInTheOrderOfTheQueueAndOnlyOnce() throws Exception {
        Popper p = popper(1);
        send(p, 0, 70);
        p.queue = 0;
        for (int from = 0; from < 70; from += 32) {
            PopResult r = p.pop();
            assertEquals(PopStatus.FOUND, r.getPopStatus());
            assertEquals(numbers(from, Math.min(from + 32, 70)), Rmq.bodies(r.getMsgFoundList()));
            assertEquals(Math.max(70 - from - 32, 0), r.getRestNum());
            for (MessageExt m : r.getMsgFoundList()) {
                assertEquals(AckStatus.OK, p.ack(m).getStatus());
            }
        }
        assertEquals(PopStatus.POLLING_NOT_FOUND, p.pop().getPopStatus());
        assertEquals(70, mq.admin().examineConsumeStats(p.group, p.topic).getOffsetTable().get(mq.queue(p.topic, 0)).getConsumerOffset());
    }

    @Test
    void popsAllQueues() throws Exception {
        Popper p = popper(4);
        for (int q = 0; q < 4; q++) {
            send(p, q, 5);
        }
        List<MessageExt> got = p.take(20);
        Set<String> places = new HashSet<>();
        for (MessageExt m : got) {
            places.add(m.getQueueId() + "/" + m.getQueueOffset());
        }
        assertEquals(20, places.size());
        assertEquals(AckStatus.OK, p.ackAll(got).getStatus());
    }

    @Test
    void comesBackWithoutAcknowledgement() throws Exception {
        Popper p = popper(1);
        send(p, 0, 3);
        p.invisible = 1_000;
        List<MessageExt> first = p.take(3);
        assertEquals(AckStatus.OK, p.ack(first.get(1)).getStatus());
        p.invisible = 60_000;
        List<MessageExt> again = p.take(2);
        assertEquals(Set.of("0", "2"), new HashSet<>(Rmq.bodies(again)));
        for (MessageExt m : again) {
            assertEquals(1, m.getReconsumeTimes());
            assertEquals(p.topic, m.getTopic());
            assertEquals("%RETRY%" + p.group + "_" + p.topic, p.realTopic(m));
            assertEquals(AckStatus.OK, p.ack(m).getStatus());
        }
        assertEquals(List.of(), p.take());
    }

    @Test
    void countsEachDelivery() throws Exception {
        Popper p = popper(1);
        send(p, 0, 1);
        p.invisible = 500;
        for (int i = 0; i < 3; i++) {
            MessageExt m = p.take(1).get(0);
            assertEquals(i, m.getReconsumeTimes());
            assertEquals("0", Rmq.body(m));
        }
    }

    @Test
    void batchAcknowledgement() throws Exception {
        Popper p = popper(1);
        send(p, 0, 10);
        p.invisible = 2_000;
        List<MessageExt> first = p.take(10);
        List<MessageExt> kept = List.of(first.get(3), first.get(9));
        List<MessageExt> done = new ArrayList<>(first);
        done.removeAll(kept);
        assertEquals(AckStatus.OK, p.ackAll(done).getStatus());
        p.invisible = 60_000;
        List<MessageExt> again = p.take(2);
        assertEquals(Set.of("3", "9"), new HashSet<>(Rmq.bodies(again)));
        assertEquals(AckStatus.OK, p.ackAll(again).getStatus());
    }

    @Test
    void longerInvisible() throws Exception {
        Popper p = popper(1);
        send(p, 0, 2);
        p.invisible = 3_000;
        List<MessageExt> got = p.take(2);
        AckResult r = p.changeInvisible(got.get(0), 60_000);
        assertEquals(AckStatus.OK, r.getStatus());
        assertNotEquals(Popper.receipt(got.get(0)), r.getExtraInfo());
        p.invisible = 60_000;
        List<MessageExt> again = p.take(1); // the other one
        assertEquals(List.of("1"), Rmq.bodies(again));
        assertEquals(AckStatus.OK, p.ack(got.get(0), r.getExtraInfo()).getStatus());
        assertEquals(List.of(), p.take());
    }

    @Test
    void shorterInvisible() throws Exception {
        Popper p = popper(1);
        send(p, 0, 2);
        List<MessageExt> got = p.take(2);
        assertEquals(AckStatus.OK, p.changeInvisible(got.get(1), 300).getStatus());
        MessageExt again = p.take(1).get(0);
        assertEquals("1", Rmq.body(again));
        assertEquals(1, again.getReconsumeTimes());
        assertEquals(AckStatus.OK, p.ack(again).getStatus());
    }

    @Test
    void filterByTags() throws Exception {
        Popper p = popper(1);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 12; i++) {
            producer.send(Rmq.message(p.topic, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c", Integer.toString(i)), mq.queue(p.topic, 0));
        }
        Rmq.await("dispatch").until(() -> mq.admin().maxOffset(mq.queue(p.topic, 0)) == 12);
        p.expression = "a || c";
        p.invisible = 1_500;
        List<MessageExt> got = p.take(8);
        assertEquals(List.of("0", "2", "3", "5", "6", "8", "9", "11"), Rmq.bodies(got));
        assertEquals(AckStatus.OK, p.ackAll(got.subList(0, 7)).getStatus());
        assertEquals(List.of("11"), Rmq.bodies(p.take(1)));
    }

    @Test
    void waitsForAMessage() throws Exception {
        Popper p = popper(2);
        p.poll = 20_000;
        CompletableFuture<PopResult> waiting = p.popAsync();
        awaitWaiting(p, 1);
        mq.producer().send(Rmq.message(p.topic, "*", "late"), mq.queue(p.topic, 1));
        PopResult r = waiting.get(15, TimeUnit.SECONDS);
        assertEquals(PopStatus.FOUND, r.getPopStatus());
        assertEquals(List.of("late"), Rmq.bodies(r.getMsgFoundList()));
        p.poll = 1_000;
        assertEquals(PopStatus.POLLING_NOT_FOUND, p.pop().getPopStatus());
    }

    private void awaitWaiting(Popper p, int n) {
        PollingInfoRequestHeader h = new PollingInfoRequestHeader();
        h.setConsumerGroup(p.group);
        h.setTopic(p.topic);
        h.setQueueId(p.queue);
        Rmq.await(n + " waiting pops").until(() -> {
            RemotingCommand r = p.call(RequestCode.POLLING_INFO, h);
            return r.getCode() == 0 && Integer.toString(n).equals(r.getExtFields().get("pollingNum"));
        });
    }

    @Test
    void aMessageWakesOneOfThoseThatWait() throws Exception {
        Popper p = popper(1);
        p.poll = 20_000;
        List<CompletableFuture<PopResult>> waiting = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            waiting.add(p.popAsync());
            awaitWaiting(p, i + 1);
        }
        DefaultMQProducer producer = mq.producer();
        Set<String> got = new HashSet<>();
        for (int i = 0; i < 3; i++) {
            producer.send(Rmq.message(p.topic, "*", "m" + i), mq.queue(p.topic, 0));
            awaitWaiting(p, 2 - i);
        }
        for (CompletableFuture<PopResult> w : waiting) {
            got.addAll(Rmq.bodies(w.get(15, TimeUnit.SECONDS).getMsgFoundList()));
        }
        assertEquals(Set.of("m0", "m1", "m2"), got);
    }

    @Test
    void aRedeliveryWakesWhoWaits() throws Exception {
        Popper p = popper(1);
        send(p, 0, 1);
        p.invisible = 1_000;
        p.take(1);
        p.poll = 20_000;
        PopResult r = p.pop();
        assertEquals(PopStatus.FOUND, r.getPopStatus());
        assertEquals(1, r.getMsgFoundList().get(0).getReconsumeTimes());
    }

    @Test
    void notification() throws Exception {
        Popper p = popper(1);
        assertFalse(p.notification().get(10, TimeUnit.SECONDS));
        p.poll = 20_000;
        CompletableFuture<Boolean> waiting = p.notification();
        mq.producer().send(Rmq.message(p.topic, "*", "x"), mq.queue(p.topic, 0));
        assertTrue(waiting.get(15, TimeUnit.SECONDS));
        assertTrue(p.notification().get(15, TimeUnit.SECONDS));
        p.poll = 0;
        assertEquals(List.of("x"), Rmq.bodies(p.take(1)));
        assertFalse(p.notification().get(10, TimeUnit.SECONDS));
    }

    @Test
    void peekTakesNothing() throws Exception {
        Popper p = popper(1);
        PeekMessageRequestHeader h = new PeekMessageRequestHeader();
        h.setConsumerGroup(p.group);
        h.setTopic(p.topic);
        h.setQueueId(-1);
        h.setMaxMsgNums(10);
        assertEquals(19, p.call(RequestCode.PEEK_MESSAGE, h).getCode());
        send(p, 0, 3);
        for (int i = 0; i < 2; i++) {
            RemotingCommand r = p.call(RequestCode.PEEK_MESSAGE, h);
            assertEquals(0, r.getCode());
            List<MessageExt> seen = org.apache.rocketmq.common.message.MessageDecoder.decodes(java.nio.ByteBuffer.wrap(r.getBody()));
            assertEquals(List.of("0", "1", "2"), Rmq.bodies(seen));
        }
        assertEquals(3, p.take(3).size());
        assertEquals(19, p.call(RequestCode.PEEK_MESSAGE, h).getCode());
    }

    @Test
    void initMode() throws Exception {
        Popper p = popper(1);
        send(p, 0, 5);
        p.initMode = ConsumeInitMode.MAX;
        assertEquals(5, p.take(5).size(), "the first message is still in memory");
    }

    @Test
    void resetOfTheOffset() throws Exception {
        Popper p = popper(1);
        send(p, 0, 6);
        assertEquals(AckStatus.OK, p.ackAll(p.take(6)).getStatus());
        mq.admin().resetOffsetByQueueId(mq.cluster().brokerAddr(), p.group, p.topic, 0, 2);
        List<MessageExt> again = p.take(4);
        assertEquals(numbers(2, 6), Rmq.bodies(again));
        assertEquals(AckStatus.OK, p.ackAll(again).getStatus());
        assertEquals(List.of(), p.take());
    }

    @Test
    void retryTopicsWithTheNewName() throws Exception {
        own(ClusterSpec.standard().with("enableRetryTopicV2", "true"));
        Popper p = popper(1);
        send(p, 0, 1);
        p.invisible = 1_000;
        p.take(1);
        MessageExt again = p.take(1).get(0);
        assertEquals("%RETRY%" + p.group + "+" + p.topic, p.realTopic(again));
        assertEquals("2", Popper.receipt(again).split(" ")[4]);
        MessageExt third = p.take(1).get(0); // goes back to the same topic
        assertEquals(2, third.getReconsumeTimes());
        p.invisible = 60_000;
        assertEquals(AckStatus.OK, p.ack(p.take(1).get(0)).getStatus());
    }

    @Test
    void errors() throws Exception {
        Popper p = popper(1);
        send(p, 0, 1);
        Popper none = new Popper(mq, mq.newTopicName(), p.group);
        assertEquals(17, code(none::pop));
        p.most = 33;
        assertEquals(29, code(p::pop));
        p.most = 32;
        p.queue = 7;
        assertEquals(29, code(p::pop));
        p.queue = -1;
        MessageExt m = p.take(1).get(0);
        String[] receipt = Popper.receipt(m).split(" ");
        receipt[1] = "1"; // another pop: nothing to acknowledge, which is fine
        assertEquals(AckStatus.OK, p.ack(m, String.join(" ", receipt)).getStatus());
        m.setQueueOffset(99);
        assertEquals(AckStatus.NO_EXIST, p.ack(m).getStatus());
    }

    /** The code of the error that a call ends with. */
    private static int code(java.util.concurrent.Callable<?> call) {
        ExecutionException e = assertThrows(ExecutionException.class, call::call);
        return ((MQBrokerException) e.getCause()).getResponseCode();
    }
}
