package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.Clusters;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.SerializeType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Bytes on the wire, good and bad, on all three ports. Whatever comes, the server answers the next client. */
class ProtocolTest {
    @RegisterExtension
    final Rmq mq = new Rmq(Clusters::shared);

    private static RemotingCommand maxOffset(String topic) {
        RemotingCommand c = RemotingCommand.createRequestCommand(RequestCode.GET_MAX_OFFSET, null);
        c.setExtFields(new HashMap<>(Map.of("topic", topic, "queueId", "0")));
        return c;
    }

    private static RemotingCommand request(int code) {
        return RemotingCommand.createRequestCommand(code, null);
    }

    private static String broker() {
        return Clusters.shared().brokerAddr();
    }

    private static String fastPort() {
        String addr = broker();
        int colon = addr.lastIndexOf(':');
        return addr.substring(0, colon + 1) + (Integer.parseInt(addr.substring(colon + 1)) - 2);
    }

    private static Stream<String> addresses() {
        Cluster c = Clusters.shared();
        return Stream.of(c.namesrvAddrs().get(0), broker(), fastPort());
    }

    @AfterEach
    void serverLives() throws Exception {
        assertTrue(Clusters.shared().alive());
        try (RawConnection c = new RawConnection(broker())) {
            assertEquals(ResponseCode.SUCCESS, c.call(maxOffset("NoSuchTopic")).getCode());
        }
    }

    @ParameterizedTest
    @MethodSource("addresses")
    void unknownRequestCode(String addr) throws Exception {
        try (RawConnection c = new RawConnection(addr)) {
            for (int code : new int[] {9999, -7, 4711}) {
                RemotingCommand request = request(code);
                RemotingCommand response = c.call(request);
                assertEquals(ResponseCode.REQUEST_CODE_NOT_SUPPORTED, response.getCode());
                assertEquals(request.getOpaque(), response.getOpaque());
                assertTrue(response.isResponseType());
                assertTrue(response.getRemark().contains("not supported"), response.getRemark());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(SerializeType.class)
    void bothHeaderCodecsAreUnderstood(SerializeType codec) throws Exception {
        try (RawConnection c = new RawConnection(broker())) {
            RemotingCommand request = maxOffset("NoSuchTopic");
            request.setSerializeTypeCurrentRPC(codec);
            RemotingCommand response = c.call(request);
            // The answer may be in either; its length word says which.
            assertEquals(request.getOpaque(), response.getOpaque());
            assertEquals("0", response.getExtFields().get("offset"));
        }
    }

    @Test
    void manyRequestsInOneWrite() throws Exception {
        try (RawConnection c = new RawConnection(broker())) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            Set<Integer> opaques = new HashSet<>();
            for (int i = 0; i < 200; i++) {
                RemotingCommand request = maxOffset("NoSuchTopic");
                opaques.add(request.getOpaque());
                all.write(RawConnection.frame(request));
            }
            c.write(all.toByteArray());
            for (int i = 0; i < 200; i++) {
                RemotingCommand response = c.read();
                assertEquals(ResponseCode.SUCCESS, response.getCode());
                assertTrue(opaques.remove(response.getOpaque()));
            }
        }
    }

    @Test
    void oneByteAtATime() throws Exception {
        try (RawConnection c = new RawConnection(broker())) {
            for (byte b : RawConnection.frame(maxOffset("NoSuchTopic"))) {
                c.write(new byte[] {b});
            }
            assertEquals(ResponseCode.SUCCESS, c.read().getCode());
        }
    }

    @Test
    void onewayRequestsAreNotAnswered() throws Exception {
        try (RawConnection c = new RawConnection(broker())) {
            RemotingCommand oneway = request(9999);
            oneway.markOnewayRPC();
            c.write(RawConnection.frame(oneway));
            RemotingCommand next = maxOffset("NoSuchTopic");
            assertEquals(next.getOpaque(), c.call(next).getOpaque(), "the first answer belongs to the second request");
        }
    }

    @Test
    void answersNobodyAskedForAreIgnored() throws Exception {
        try (RawConnection c = new RawConnection(broker())) {
            RemotingCommand stray = RemotingCommand.createResponseCommand(0, "stray");
            stray.setOpaque(123456);
            stray.markResponseType();
            c.write(RawConnection.frame(stray));
            assertEquals(ResponseCode.SUCCESS, c.call(maxOffset("NoSuchTopic")).getCode());
        }
    }

    @Test
    void missingAndUnreadableFieldsAreAnErrorForTheSenderOnly() throws Exception {
        try (RawConnection c = new RawConnection(broker())) {
            RemotingCommand none = request(RequestCode.GET_MAX_OFFSET);
            assertNotEquals(ResponseCode.SUCCESS, c.call(none).getCode());
            RemotingCommand bad = maxOffset("T");
            bad.getExtFields().put("queueId", "not a number");
            assertNotEquals(ResponseCode.SUCCESS, c.call(bad).getCode());
            RemotingCommand noBody = request(RequestCode.HEART_BEAT);
            assertNotEquals(ResponseCode.SUCCESS, c.call(noBody).getCode());
            RemotingCommand garbage = request(RequestCode.HEART_BEAT);
            garbage.setBody("{\"clientID\":[[[".getBytes(StandardCharsets.UTF_8));
            assertNotEquals(ResponseCode.SUCCESS, c.call(garbage).getCode());
            assertEquals(ResponseCode.SUCCESS, c.call(maxOffset("NoSuchTopic")).getCode());
        }
    }

    @Test
    void garbageInABatchIsRefused() throws Exception {
        String topic = mq.topic(1);
        try (RawConnection c = new RawConnection(broker())) {
            RemotingCommand batch = request(RequestCode.SEND_BATCH_MESSAGE);
            batch.setExtFields(new HashMap<>(Map.of("a", "pg", "b", topic, "c", "TBW102", "d", "4", "e", "0", "f", "0", "g", "0",
                "h", "0", "i", "", "m", "true")));
            batch.setBody(new byte[] {0x7f, -1, -1, -1, 0, 0, 0, 0, 1, 2, 3});
            assertNotEquals(ResponseCode.SUCCESS, c.call(batch).getCode());
            assertEquals(ResponseCode.SUCCESS, c.call(maxOffset(topic)).getCode());
        }
        assertEquals(0, mq.admin().maxOffset(mq.queue(topic, 0)));
    }

    private static byte[] header(int length, int headerLength, byte[] rest) {
        return ByteBuffer.allocate(8 + rest.length).putInt(length).putInt(headerLength).put(rest).array();
    }

    static Stream<Arguments> brokenFrames() {
        byte[] text = "{\"code\":30,".getBytes(StandardCharsets.UTF_8);
        return addresses().flatMap(addr -> Stream.of(
            Arguments.of("length beyond the limit", addr, header(64 << 20, 10, new byte[64])),
            Arguments.of("negative length", addr, header(-5, 10, new byte[64])),
            Arguments.of("header longer than the frame", addr, header(4 + text.length, 1000, text)),
            Arguments.of("unknown codec", addr, header(4 + text.length, 0x07000000 | text.length, text)),
            Arguments.of("header that is not JSON", addr, header(4 + text.length, text.length, text)),
            Arguments.of("binary header that ends early", addr, header(8, 0x01000004, new byte[] {0, 1, 2, 3})),
            Arguments.of("another protocol", addr, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(StandardCharsets.UTF_8))));
    }

    @ParameterizedTest(name = "{0} to {1}")
    @MethodSource("brokenFrames")
    void brokenFrameClosesTheConnection(String what, String addr, byte[] bytes) throws Exception {
        try (RawConnection c = new RawConnection(addr)) {
            c.writeIgnoringReset(bytes);
            assertTrue(c.closedByServer(), what);
        }
    }

    @Test
    void aConnectionThatEndsInTheMiddleOfAFrame() throws Exception {
        byte[] frame = RawConnection.frame(maxOffset("NoSuchTopic"));
        for (int n : new int[] {1, 4, 8, frame.length - 1}) {
            try (RawConnection c = new RawConnection(broker())) {
                c.write(Arrays.copyOf(frame, n));
            }
        }
    }
}
