package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A producer asks, a consumer answers, and the broker pushes the answer to the connection that asked. */
class RequestReplyTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    @Test
    void theAnswerReachesWhoAsked() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer answering = mq.producer();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                for (MessageExt m : messages) {
                    try {
                        byte[] answer = ("re: " + new String(m.getBody(), StandardCharsets.UTF_8)).getBytes(StandardCharsets.UTF_8);
                        answering.send(MessageUtil.createReplyMessage(m, answer));
                    } catch (Exception e) {
                        return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                    }
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        });
        DefaultMQProducer asking = mq.producer();
        for (int i = 0; i < 3; i++) {
            Message answer = asking.request(new Message(topic, ("question " + i).getBytes(StandardCharsets.UTF_8)), 20_000);
            assertEquals("re: question " + i, new String(answer.getBody(), StandardCharsets.UTF_8));
        }
    }

    @Test
    void noAnswerIsATimeout() throws Exception {
        String topic = mq.topic(1);
        DefaultMQProducer asking = mq.producer();
        assertThrows(RequestTimeoutException.class, () -> asking.request(new Message(topic, new byte[] {1}), 1000));
    }
}
