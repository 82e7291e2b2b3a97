package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Clusters;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Bodies of 4096 bytes and more travel and rest compressed; the broker keeps them as they are. */
class CompressionTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private MessageExt roundTrip(DefaultMQProducer producer, byte[] body) throws Exception {
        String topic = mq.topic(1);
        producer.send(new Message(topic, body));
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        return inbox.await(1).get(0);
    }

    @ParameterizedTest
    @EnumSource(CompressionType.class)
    void everyCompressionComesBackWhole(CompressionType type) throws Exception {
        byte[] body = "aerobee ".repeat(4096).getBytes(StandardCharsets.UTF_8);
        DefaultMQProducer producer = mq.producer();
        producer.setCompressType(type);
        MessageExt got = roundTrip(producer, body);
        assertArrayEquals(body, got.getBody());
        assertTrue(got.getStoreSize() < body.length / 4, "stored size " + got.getStoreSize());
    }

    @Test
    void smallBodiesStayAsTheyAre() throws Exception {
        assertTrue(roundTrip(mq.producer(), new byte[4095]).getStoreSize() > 4095);
        assertTrue(roundTrip(mq.producer(), new byte[4096]).getStoreSize() < 4096);
    }

    @Test
    void incompressibleBodiesComeBackWhole() throws Exception {
        byte[] noise = new byte[100_000];
        new Random(7).nextBytes(noise);
        assertArrayEquals(noise, roundTrip(mq.producer(), noise).getBody());
    }

    @Test
    void largeMessagesInABatchAreNotCompressed() throws Exception {
        String topic = mq.topic(1);
        byte[] body = new byte[10_000];
        mq.producer().send(List.of(new Message(topic, body), new Message(topic, body)));
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        for (MessageExt m : inbox.await(2)) {
            assertArrayEquals(body, m.getBody());
            assertTrue(m.getStoreSize() > body.length);
        }
    }
}
