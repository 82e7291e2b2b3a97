package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Sends from several threads and writes down every acknowledgement. Afterwards it reads the topic from the beginning:
 * each acknowledged message must be at the place that its acknowledgement named.
 */
final class Ledger {
    private static final int THREADS = 4;

    private final String topic;
    private final Map<String, SendResult> acknowledged = new ConcurrentHashMap<>();
    private final AtomicInteger refused = new AtomicInteger();
    private final AtomicBoolean stop = new AtomicBoolean();
    private final List<Thread> threads = new ArrayList<>();

    Ledger(DefaultMQProducer producer, String topic) {
        this.topic = topic;
        for (int t = 0; t < THREADS; t++) {
            String prefix = t + "-";
            Thread thread = new Thread(() -> send(producer, prefix), "ledger-" + t);
            thread.setDaemon(true);
            threads.add(thread);
            thread.start();
        }
    }

    private void send(DefaultMQProducer producer, String prefix) {
        for (int i = 0; !stop.get(); i++) {
            String body = prefix + i + "-" + "x".repeat(i % 500);
            try {
                SendResult r = producer.send(Rmq.message(topic, "*", body));
                if (r.getSendStatus() == SendStatus.SEND_OK) {
                    acknowledged.put(body, r);
                    continue;
                }
            } catch (Exception e) {
                // No acknowledgement, nothing promised. The message may exist or not.
            }
            refused.incrementAndGet();
            Thread.onSpinWait();
        }
    }

    int size() {
        return acknowledged.size();
    }

    /** Waits for that many more acknowledgements. */
    void awaitMore(int n) {
        int target = size() + n;
        Rmq.await(n + " more acknowledgements").until(() -> size() >= target);
    }

    void stop() throws InterruptedException {
        stop.set(true);
        for (Thread t : threads) {
            t.join(60_000);
        }
    }

    Set<String> bodies() {
        return acknowledged.keySet();
    }

    /** Reads everything and compares. */
    void verify(DefaultMQPullConsumer consumer) throws Exception {
        Map<String, String> stored = new HashMap<>();
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) {
            readAll(consumer, queue, stored);
        }
        Map<String, String> wrong = new TreeMap<>();
        acknowledged.forEach((body, r) -> {
            String place = r.getMessageQueue().getQueueId() + "@" + r.getQueueOffset();
            if (!body.equals(stored.get(place))) {
                wrong.put(place, body);
            }
        });
        assertEquals(Map.of(), wrong, "acknowledged but not at their place, of " + size());
    }

    private static void readAll(DefaultMQPullConsumer consumer, MessageQueue queue, Map<String, String> into) throws Exception {
        long offset = consumer.minOffset(queue);
        long max = consumer.maxOffset(queue);
        while (offset < max) {
            PullResult r = consumer.pull(queue, "*", offset, 32);
            if (r.getPullStatus() == PullStatus.FOUND) {
                for (MessageExt m : r.getMsgFoundList()) {
                    into.put(m.getQueueId() + "@" + m.getQueueOffset(), Rmq.body(m));
                }
            } else if (r.getNextBeginOffset() <= offset) {
                throw new AssertionError("reading " + queue + " stands at " + offset + " of " + max + ": " + r);
            }
            offset = r.getNextBeginOffset();
        }
    }
}
