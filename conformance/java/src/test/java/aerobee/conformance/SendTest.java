package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;
import org.apache.rocketmq.remoting.protocol.route.QueueData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Every way to send a message, and what the sender is told about it. */
class SendTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    @Test
    void syncSendTellsWhereTheMessageIs() throws Exception {
        DefaultMQProducer producer = mq.producer();
        String topic = mq.topic(4);

        SendResult result = producer.send(Rmq.message(topic, "TagA", "hello"));

        assertEquals(SendStatus.SEND_OK, result.getSendStatus());
        assertEquals(topic, result.getMessageQueue().getTopic());
        assertEquals(mq.cluster().brokerName(), result.getMessageQueue().getBrokerName());
        assertTrue(result.getMessageQueue().getQueueId() < 4);
        assertEquals(0, result.getQueueOffset());
        assertTrue(result.getMsgId().matches("[0-9A-F]{32}|[0-9A-F]{56}"), "unique id");
        assertEquals(result.getMsgId(), result.getTransactionId());
        assertNull(result.getRecallHandle());
        assertEquals("DefaultRegion", result.getRegionId());
        assertTrue(result.isTraceOn());
        MessageId id = MessageDecoder.decodeMessageId(result.getOffsetMsgId());
        InetSocketAddress address = (InetSocketAddress) id.getAddress();
        assertEquals(mq.cluster().brokerAddr(), address.getAddress().getHostAddress() + ":" + address.getPort());
    }

    @Test
    void offsetsOfAQueueCountUpFromZero() throws Exception {
        String topic = mq.topic(2);
        List<SendResult> results = mq.sendNumbers(mq.producer(), topic, 1, 20);
        for (int i = 0; i < 20; i++) {
            assertEquals(i, results.get(i).getQueueOffset());
            assertEquals(1, results.get(i).getMessageQueue().getQueueId());
        }
        assertEquals(20, new HashSet<>(results.stream().map(SendResult::getOffsetMsgId).toList()).size());
    }

    @Test
    void producerGoesRoundAllQueues() throws Exception {
        String topic = mq.topic(4);
        DefaultMQProducer producer = mq.producer();
        Set<Integer> queues = new HashSet<>();
        for (int i = 0; i < 4; i++) {
            queues.add(producer.send(Rmq.message(topic, "*", "m" + i)).getMessageQueue().getQueueId());
        }
        assertEquals(Set.of(0, 1, 2, 3), queues);
    }

    @Test
    void everythingOfAMessageArrives() throws Exception {
        String topic = mq.topic(1);
        Message sent = new Message(topic, "TagÜ", "key1 key2", "body \u0000 é 漢字".getBytes(StandardCharsets.UTF_8));
        sent.setFlag(0x12345678);
        sent.putUserProperty("colour", "grün = {\"a\":1}");
        sent.putUserProperty("long", "x".repeat(20_000));
        sent.setBuyerId("buyer");
        long before = System.currentTimeMillis();
        SendResult result = mq.producer().send(sent);

        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        MessageExt got = inbox.await(1).get(0);

        assertEquals(topic, got.getTopic());
        assertEquals("TagÜ", got.getTags());
        assertEquals("key1 key2", got.getKeys());
        assertArrayEquals(sent.getBody(), got.getBody());
        assertEquals(0x12345678, got.getFlag());
        assertEquals("grün = {\"a\":1}", got.getUserProperty("colour"));
        assertEquals(20_000, got.getUserProperty("long").length());
        assertEquals("buyer", got.getBuyerId());
        assertEquals(result.getMsgId(), got.getMsgId());
        assertEquals(0, got.getQueueOffset());
        assertEquals(0, got.getReconsumeTimes());
        assertTrue(got.getBornTimestamp() >= before && got.getBornTimestamp() <= got.getStoreTimestamp() + 1000);
        assertEquals("127.0.0.1", got.getBornHostString());
        assertEquals("0", got.getProperty("MIN_OFFSET"));
        assertEquals("1", got.getProperty("MAX_OFFSET"));
        assertEquals(mq.cluster().clusterName(), got.getProperty("CLUSTER"));
        assertEquals("true", got.getProperty("TRACE_ON"));
        assertEquals("DefaultRegion", got.getProperty("MSG_REGION"));
    }

    @Test
    void asyncSendsAllReportSuccess() throws Exception {
        String topic = mq.topic(4);
        DefaultMQProducer producer = mq.producer();
        int n = 500;
        CountDownLatch done = new CountDownLatch(n);
        Set<String> ids = ConcurrentHashMap.newKeySet();
        Set<Throwable> errors = ConcurrentHashMap.newKeySet();
        for (int i = 0; i < n; i++) {
            producer.send(Rmq.message(topic, "*", "m" + i), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    ids.add(result.getMessageQueue().getQueueId() + "@" + result.getQueueOffset());
                    done.countDown();
                }

                @Override
                public void onException(Throwable e) {
                    errors.add(e);
                    done.countDown();
                }
            });
        }
        assertTrue(done.await(60, TimeUnit.SECONDS));
        assertEquals(Set.of(), errors);
        assertEquals(n, ids.size(), "every message has a place of its own");
    }

    @Test
    void onewaySendsArrive() throws Exception {
        String topic = mq.topic(4);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 50; i++) {
            producer.sendOneway(Rmq.message(topic, "*", "m" + i));
        }
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        inbox.await(50);
        assertEquals(50, new HashSet<>(inbox.bodies()).size());
    }

    @Test
    void batchIsStoredAsSingleMessagesInOneQueue() throws Exception {
        String topic = mq.topic(4);
        DefaultMQProducer producer = mq.producer();
        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < 25; i++) {
            Message m = new Message(topic, i % 2 == 0 ? "even" : "odd", "key" + i, ("m" + i).getBytes(StandardCharsets.UTF_8));
            m.putUserProperty("i", Integer.toString(i));
            batch.add(m);
        }

        SendResult result = producer.send(batch, mq.queue(topic, 2));

        assertEquals(SendStatus.SEND_OK, result.getSendStatus());
        assertEquals(0, result.getQueueOffset());
        assertEquals(25, result.getMsgId().split(",").length, "one unique id each");
        assertEquals(25, result.getOffsetMsgId().split(",").length, "one offset id each");
        assertNull(result.getRecallHandle());
        assertEquals(25, producer.send(batch.subList(0, 3), mq.queue(topic, 2)).getQueueOffset(), "the next batch comes after");

        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.orderly());
        });
        inbox.await(28);
        assertEquals(IntStream.range(0, 25).mapToObj(i -> "m" + i).toList(), inbox.bodies().subList(0, 25));
        MessageExt third = inbox.messages().get(3);
        assertEquals("odd", third.getTags());
        assertEquals("key3", third.getKeys());
        assertEquals("3", third.getUserProperty("i"));
        assertEquals(3, third.getQueueOffset());
        assertEquals(result.getMsgId().split(",")[3], third.getMsgId());
    }

    @Test
    void everyMessageOfABatchIsFoundByItsOffsetId() throws Exception {
        String topic = mq.topic(1);
        SendResult result = mq.producer().send(List.of(Rmq.message(topic, "*", "a"), Rmq.message(topic, "*", "b")));
        String[] ids = result.getOffsetMsgId().split(",");
        assertEquals("a", Rmq.body(mq.admin().viewMessage(topic, ids[0])));
        assertEquals("b", Rmq.body(mq.admin().viewMessage(topic, ids[1])));
    }

    @Test
    void selectorChoosesTheQueue() throws Exception {
        String topic = mq.topic(4);
        DefaultMQProducer producer = mq.producer();
        for (int i = 0; i < 12; i++) {
            SendResult r = producer.send(Rmq.message(topic, "*", "m" + i),
                (queues, m, arg) -> queues.get((Integer) arg % queues.size()), i);
            assertEquals(i % 4, r.getMessageQueue().getQueueId());
            assertEquals(i / 4, r.getQueueOffset());
        }
    }

    @Test
    void firstSendCreatesTheTopic() throws Exception {
        String topic = mq.newTopicName();
        SendResult result = mq.producer().send(Rmq.message(topic, "*", "first"));
        assertEquals(SendStatus.SEND_OK, result.getSendStatus());

        QueueData queues = mq.awaitRoute(topic).getQueueDatas().get(0);
        assertEquals(4, queues.getWriteQueueNums());
        assertEquals(4, queues.getReadQueueNums());
        assertEquals(6, queues.getPerm());
    }

    @Test
    void createdTopicHasAsManyQueuesAsTheProducerWantsAtMostEight() throws Exception {
        String two = mq.newTopicName();
        mq.producer(p -> p.setDefaultTopicQueueNums(2)).send(Rmq.message(two, "*", "x"));
        assertEquals(2, mq.awaitRoute(two).getQueueDatas().get(0).getWriteQueueNums());

        String many = mq.newTopicName();
        mq.producer(p -> p.setDefaultTopicQueueNums(16)).send(Rmq.message(many, "*", "x"));
        assertEquals(8, mq.awaitRoute(many).getQueueDatas().get(0).getWriteQueueNums());
    }

    @Test
    void largeBodyArrivesUnchanged() throws Exception {
        String topic = mq.topic(1);
        byte[] noise = new byte[3 << 20];
        new Random(1).nextBytes(noise);
        DefaultMQProducer producer = mq.producer();
        SendResult result = producer.send(new Message(topic, noise));
        assertEquals(SendStatus.SEND_OK, result.getSendStatus());

        MessageExt got = mq.admin().viewMessage(topic, result.getOffsetMsgId());
        assertArrayEquals(noise, got.getBody());
    }

    @Test
    void manyThreadsThroughOneProducerGetDistinctOffsets() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer producer = mq.producer();
        Set<Long> offsets = ConcurrentHashMap.newKeySet();
        List<Thread> threads = IntStream.range(0, 8).mapToObj(t -> new Thread(() -> {
            for (int i = 0; i < 50; i++) {
                try {
                    offsets.add(producer.send(Rmq.message(topic, "*", t + "-" + i)).getQueueOffset());
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }
        })).toList();
        threads.forEach(Thread::start);
        for (Thread t : threads) {
            t.join();
        }
        assertEquals(IntStream.range(0, 400).mapToObj(i -> (long) i).collect(Collectors.toSet()), offsets);
    }

    @Test
    void aSecondProducerOfTheGroupTakesOverFromTheFirst() throws Exception {
        String topic = mq.topic(1);
        String group = mq.group();
        DefaultMQProducer first = mq.producer(p -> p.setProducerGroup(group));
        first.send(Rmq.message(topic, "*", "a"));
        first.shutdown();
        assertEquals(1, mq.producer(p -> p.setProducerGroup(group)).send(Rmq.message(topic, "*", "b")).getQueueOffset());
    }
}
