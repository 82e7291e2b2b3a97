package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Order: strict through one queue, per key through many, and never two consumers on one queue. */
class OrderTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    @Test
    void oneQueueKeepsTheOrderOfSending() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 300);
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.setConsumeMessageBatchMaxSize(7);
            c.registerMessageListener(inbox.orderly());
        });
        inbox.await(300);
        assertEquals(IntStream.range(0, 300).mapToObj(Integer::toString).toList(), inbox.bodies());
    }

    @Test
    void messagesOfAKeyKeepTheirOrderOverManyQueuesAndConsumers() throws Exception {
        String topic = mq.topic(8);
        String group = mq.group();
        Inbox inbox = new Inbox();
        Set<Integer> busyQueues = ConcurrentHashMap.newKeySet();
        AtomicInteger collisions = new AtomicInteger();
        for (int i = 0; i < 2; i++) {
            mq.pushConsumer(group, c -> {
                c.subscribe(topic, "*");
                c.registerMessageListener((List<MessageExt> batch, ConsumeOrderlyContext context) -> {
                    int queue = context.getMessageQueue().getQueueId();
                    if (!busyQueues.add(queue)) {
                        collisions.incrementAndGet();
                    }
                    inbox.add(batch);
                    busyQueues.remove(queue);
                    return ConsumeOrderlyStatus.SUCCESS;
                });
            });
        }
        DefaultMQProducer producer = mq.producer();
        int keys = 10;
        int perKey = 20;
        for (int n = 0; n < perKey; n++) {
            for (int key = 0; key < keys; key++) {
                producer.send(Rmq.message(topic, "*", key + ":" + n), new SelectMessageQueueByHash(), "order-" + key);
            }
        }

        inbox.awaitBodies(IntStream.range(0, keys * perKey).mapToObj(i -> i % keys + ":" + i / keys).toList());
        Map<String, List<Integer>> byKey = new HashMap<>();
        for (String body : inbox.bodies()) {
            String[] parts = body.split(":");
            List<Integer> seen = byKey.computeIfAbsent(parts[0], k -> new ArrayList<>());
            int n = Integer.parseInt(parts[1]);
            if (!seen.contains(n)) { // a queue that changed hands may be read twice from its last commit
                seen.add(n);
            }
        }
        assertEquals(keys, byKey.size());
        byKey.forEach((key, seen) -> assertEquals(IntStream.range(0, perKey).boxed().toList(), seen, "key " + key));
        assertEquals(0, collisions.get(), "a queue was consumed by two threads at once");
    }

    @Test
    void suspendedQueueIsTriedAgainInPlace() throws Exception {
        String topic = mq.topic(1);
        mq.sendNumbers(mq.producer(), topic, 0, 5);
        Inbox inbox = new Inbox();
        AtomicInteger refusals = new AtomicInteger();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.setSuspendCurrentQueueTimeMillis(100);
            c.registerMessageListener((List<MessageExt> batch, ConsumeOrderlyContext context) -> {
                if (Rmq.body(batch.get(0)).equals("2") && refusals.incrementAndGet() <= 3) {
                    return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                }
                inbox.add(batch);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        });
        inbox.await(5);
        assertEquals(List.of("0", "1", "2", "3", "4"), inbox.bodies());
        assertEquals(4, refusals.get());
        assertEquals(3, inbox.messages().get(2).getReconsumeTimes());
    }
}
