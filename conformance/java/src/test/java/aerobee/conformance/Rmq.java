package aerobee.conformance;

import aerobee.conformance.harness.Cluster;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.exception.RemotingTimeoutException;
import org.apache.rocketmq.remoting.protocol.route.TopicRouteData;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * One test's view of a cluster: names nobody else uses, and clients that are closed after the test, the last one first.
 */
final class Rmq implements BeforeEachCallback, AfterEachCallback {
    /** Long enough for a busy machine; no test waits for it unless it fails. */
    static final Duration LIMIT = Duration.ofSeconds(40);

    private static final AtomicInteger COUNTER = new AtomicInteger();
    private static final String RUN = Integer.toString(ThreadLocalRandom.current().nextInt(36 * 36 * 36), 36);

    private final Supplier<Cluster> clusterOf;
    private final Deque<Runnable> closers = new ArrayDeque<>();
    private String test = "";
    private DefaultMQAdminExt admin;

    Rmq(Supplier<Cluster> clusterOf) {
        this.clusterOf = clusterOf;
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        test = context.getRequiredTestClass().getSimpleName() + "-" + context.getRequiredTestMethod().getName();
        admin = null;
    }

    @Override
    public void afterEach(ExtensionContext context) {
        while (!closers.isEmpty()) {
            closers.pop().run();
        }
    }

    Cluster cluster() {
        return clusterOf.get();
    }

    /** Waits for a condition; use it instead of sleeping. */
    static ConditionFactory await(String what) {
        return Awaitility.await(what).atMost(LIMIT).pollInterval(Duration.ofMillis(50)).pollDelay(Duration.ZERO);
    }

    /** A name no other test uses. */
    String name(String kind) {
        return kind + "-" + test + "-" + RUN + COUNTER.incrementAndGet();
    }

    String group() {
        return name("g");
    }

    /** The name of a topic that does not exist yet. */
    String newTopicName() {
        return name("t");
    }

    /** A topic with that many queues, which the route already shows. */
    String topic(int queues) throws Exception {
        String topic = newTopicName();
        createTopic(topic, queues);
        return topic;
    }

    void createTopic(String topic, int queues) throws Exception {
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(queues);
        config.setWriteQueueNums(queues);
        // Apache's broker may hold the answer back while it registers itself.
        await("creation of " + topic).ignoreExceptionsMatching(RemotingTimeoutException.class::isInstance).until(() -> {
            admin().createAndUpdateTopicConfig(cluster().brokerAddr(), config);
            return true;
        });
        awaitRoute(topic);
    }

    TopicRouteData awaitRoute(String topic) {
        return await("route of " + topic).ignoreExceptions()
            .until(() -> admin().examineTopicRouteInfo(topic), r -> r != null && !r.getQueueDatas().isEmpty());
    }

    MessageQueue queue(String topic, int id) {
        return new MessageQueue(topic, cluster().brokerName(), id);
    }

    /** An administrator's client. One per test is enough. */
    synchronized DefaultMQAdminExt admin() throws Exception {
        if (admin == null) {
            DefaultMQAdminExt a = new DefaultMQAdminExt(10_000);
            configure(a, "admin");
            a.setAdminExtGroup(name("admin"));
            a.start();
            closers.push(a::shutdown);
            admin = a;
        }
        return admin;
    }

    DefaultMQProducer producer() throws Exception {
        return producer(p -> { });
    }

    DefaultMQProducer producer(Setup<DefaultMQProducer> setup) throws Exception {
        DefaultMQProducer p = new DefaultMQProducer(name("p"));
        configure(p, "producer");
        p.setSendMsgTimeout(10_000);
        setup.apply(p);
        p.start();
        closers.push(p::shutdown);
        return p;
    }

    /** A producer of transactions; the listener's methods must be safe for concurrent use. */
    TransactionMQProducer transactionProducer(String group, TransactionListener listener) throws Exception {
        TransactionMQProducer p = new TransactionMQProducer(group);
        configure(p, "transaction");
        p.setSendMsgTimeout(10_000);
        p.setRetryTimesWhenSendFailed(5);
        p.setTransactionListener(listener);
        p.start();
        closers.push(p::shutdown);
        return p;
    }

    /** A push consumer that starts with the first message of a queue. Subscribe and set the listener in the setup. */
    DefaultMQPushConsumer pushConsumer(String group, Setup<DefaultMQPushConsumer> setup) throws Exception {
        DefaultMQPushConsumer c = new DefaultMQPushConsumer(group);
        configure(c, "push");
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.setConsumeThreadMin(4);
        c.setConsumeThreadMax(4);
        setup.apply(c);
        c.start();
        closers.push(c::shutdown);
        return c;
    }

    DefaultLitePullConsumer litePullConsumer(String group, Setup<DefaultLitePullConsumer> setup) throws Exception {
        DefaultLitePullConsumer c = new DefaultLitePullConsumer(group);
        configure(c, "lite");
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.setPullThreadNums(4);
        setup.apply(c);
        c.start();
        closers.push(c::shutdown);
        return c;
    }

    DefaultMQPullConsumer pullConsumer(String group) throws Exception {
        DefaultMQPullConsumer c = new DefaultMQPullConsumer(group);
        configure(c, "pull");
        c.start();
        closers.push(c::shutdown);
        return c;
    }

    /** Closes something else after the test. */
    void closeLater(Runnable closer) {
        closers.push(closer);
    }

    private void configure(ClientConfig config, String kind) {
        config.setNamesrvAddr(cluster().namesrvAddr());
        config.setInstanceName(kind + "-" + RUN + COUNTER.incrementAndGet());
        config.setPollNameServerInterval(2_000);
        // The client skips the heartbeat after a rebalance when its periodic one runs at that moment, and then pulls with
        // a subscription the broker does not know yet until the next period.
        config.setHeartbeatBrokerInterval(1_000);
        config.setClientIP("127.0.0.1");
    }

    /** Sends bodies 0..n-1 one after the other to one queue and returns the results in that order. */
    List<SendResult> sendNumbers(DefaultMQProducer producer, String topic, int queueId, int n) throws Exception {
        List<SendResult> results = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            SendResult r = producer.send(message(topic, "*", Integer.toString(i)), queue(topic, queueId));
            if (r.getSendStatus() != SendStatus.SEND_OK) {
                throw new AssertionError("send " + i + " gave " + r);
            }
            results.add(r);
        }
        return results;
    }

    static Message message(String topic, String tag, String body) {
        return new Message(topic, tag.equals("*") ? "" : tag, body.getBytes(StandardCharsets.UTF_8));
    }

    static String body(MessageExt m) {
        return new String(m.getBody(), StandardCharsets.UTF_8);
    }

    static List<String> bodies(List<? extends MessageExt> messages) {
        return messages.stream().map(Rmq::body).toList();
    }

    /** Configures a client before it starts. */
    @FunctionalInterface
    interface Setup<C> {
        void apply(C client) throws Exception;
    }
}
