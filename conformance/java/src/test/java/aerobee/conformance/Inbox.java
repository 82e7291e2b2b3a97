package aerobee.conformance;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;

/** Collects what a consumer's listener gets, in the order it gets it. Safe for concurrent use. */
final class Inbox {
    private final List<MessageExt> messages = new CopyOnWriteArrayList<>();

    /** A listener that accepts everything. */
    MessageListenerConcurrently concurrently() {
        return (batch, context) -> {
            messages.addAll(batch);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
    }

    /** An orderly listener that accepts everything. */
    MessageListenerOrderly orderly() {
        return (batch, context) -> {
            messages.addAll(batch);
            return ConsumeOrderlyStatus.SUCCESS;
        };
    }

    void add(List<MessageExt> batch) {
        messages.addAll(batch);
    }

    int size() {
        return messages.size();
    }

    List<MessageExt> messages() {
        return List.copyOf(messages);
    }

    List<String> bodies() {
        return Rmq.bodies(messages);
    }

    /** The messages in the order in which the broker stored them: threads of a concurrent listener overtake each other. */
    List<MessageExt> asStored() {
        return messages.stream().sorted(Comparator.comparingLong(MessageExt::getStoreTimestamp)).toList();
    }

    /** Bodies per queue, in the order of arrival. */
    Map<Integer, List<String>> bodiesByQueue() {
        return messages.stream().collect(Collectors.groupingBy(MessageExt::getQueueId,
            Collectors.mapping(Rmq::body, Collectors.toList())));
    }

    /** Waits until n messages have arrived; says what arrived if they do not. */
    List<MessageExt> await(int n) {
        Rmq.await(n + " messages").failFast("more than " + n, () -> size() > n).until(() -> size() >= n);
        return messages();
    }

    /** Waits until every one of these bodies arrived at least once. */
    void awaitBodies(Collection<String> wanted) {
        Rmq.await("messages " + abbreviated(wanted)).until(() -> bodies().containsAll(wanted));
    }

    private static String abbreviated(Collection<String> c) {
        return c.size() <= 10 ? c.toString() : c.size() + " messages";
    }
}
