package aerobee.conformance;

import java.nio.file.Path;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/** A consumer in a process of its own, so that a test can kill it. Prints READY, then GOT and the body per message. */
public final class ConsumerProcess {
    private ConsumerProcess() {
    }

    static List<String> command(String namesrv, String topic, String group) {
        return command(namesrv, topic, group, "concurrently");
    }

    /** How is concurrently or orderly. */
    static List<String> command(String namesrv, String topic, String group, String how) {
        return List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx128m", "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1", "-Duser.home=" + System.getProperty("user.home"), "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            ConsumerProcess.class.getName(), namesrv, topic, group, how);
    }

    public static void main(String[] args) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(args[2]);
        consumer.setNamesrvAddr(args[0]);
        consumer.setClientIP("127.0.0.1");
        consumer.setHeartbeatBrokerInterval(1_000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(args[1], "*");
        if (args[3].equals("orderly")) {
            consumer.registerMessageListener((List<MessageExt> batch, ConsumeOrderlyContext context) -> {
                batch.forEach(m -> System.out.println("GOT " + Rmq.body(m)));
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((List<MessageExt> batch, ConsumeConcurrentlyContext context) -> {
                batch.forEach(m -> System.out.println("GOT " + Rmq.body(m)));
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        consumer.start();
        System.out.println("READY");
        Thread.currentThread().join();
    }
}
