package aerobee.conformance.harness;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** Asks a nameserver for a route with nothing but a socket, since the harness has no client. */
final class Probe {
    private static final int GET_ROUTE = 105;

    private Probe() {
    }

    /** Waits until the nameserver answers the topic's route with code 0. */
    static void awaitRoute(String namesrv, String topic, Duration limit) {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!routeKnown(namesrv, topic)) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("nameserver " + namesrv + " has no route of " + topic + " after " + limit);
            }
            try {
                Thread.sleep(100);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }
    }

    private static boolean routeKnown(String namesrv, String topic) {
        int colon = namesrv.lastIndexOf(':');
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(namesrv.substring(0, colon), Integer.parseInt(namesrv.substring(colon + 1))), 1000);
            socket.setSoTimeout(3000);
            byte[] header = ("{\"code\":" + GET_ROUTE + ",\"flag\":0,\"language\":\"JAVA\",\"opaque\":1,\"version\":513,"
                + "\"serializeTypeCurrentRPC\":\"JSON\",\"extFields\":{\"topic\":\"" + topic + "\"}}").getBytes(StandardCharsets.UTF_8);
            socket.getOutputStream().write(ByteBuffer.allocate(8 + header.length).putInt(4 + header.length).putInt(header.length)
                .put(header).array());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            in.readInt();
            byte[] answer = new byte[in.readInt() & 0xFFFFFF];
            in.readFully(answer);
            return new String(answer, StandardCharsets.UTF_8).contains("\"code\":0,");
        } catch (IOException e) {
            return false;
        }
    }
}
