package aerobee.conformance;

import aerobee.conformance.harness.Cluster;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.remoting.exception.RemotingCommandException;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;

/**
 * A way to the servers on which answers to sends get lost: relays in front of the nameserver, whose routes then lead to the
 * other relay, and the broker. An answer that is to be lost arrives here, so that the broker has done its work; then the
 * connection breaks.
 */
final class LossyPath implements AutoCloseable {
    private static final Set<Integer> SENDS =
        Set.of(RequestCode.SEND_MESSAGE, RequestCode.SEND_MESSAGE_V2, RequestCode.SEND_BATCH_MESSAGE);

    private final Cluster cluster;
    private final ServerSocket namesrv = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
    private final ServerSocket broker = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final AtomicInteger toLose = new AtomicInteger();
    private final AtomicInteger lost = new AtomicInteger();

    LossyPath(Cluster cluster) throws IOException {
        this.cluster = cluster;
        accept(namesrv, cluster.namesrvAddrs().get(0));
        accept(broker, cluster.brokerAddr());
    }

    /** Makes a client that is not started yet go this way. */
    void lead(ClientConfig client) {
        client.setNamesrvAddr("127.0.0.1:" + namesrv.getLocalPort());
    }

    /** Loses the answers to the next n sends. */
    void loseAnswers(int n) {
        toLose.set(n);
    }

    /** How many were lost so far. */
    int lost() {
        return lost.get();
    }

    private void accept(ServerSocket listener, String server) {
        spawn(() -> {
            while (true) {
                Socket client = listener.accept();
                open.add(client);
                spawn(() -> connect(client, server));
            }
        });
    }

    private void connect(Socket client, String server) throws IOException {
        int colon = server.lastIndexOf(':');
        try (client; Socket to = new Socket(server.substring(0, colon), Integer.parseInt(server.substring(colon + 1)))) {
            open.add(to);
            Set<Integer> sends = ConcurrentHashMap.newKeySet();
            spawn(() -> answers(to, client, sends));
            while (true) {
                RemotingCommand request = read(client);
                if (SENDS.contains(request.getCode())) {
                    sends.add(request.getOpaque());
                }
                write(to, request);
            }
        }
    }

    private void answers(Socket server, Socket client, Set<Integer> sends) throws IOException {
        try (server; client) {
            while (true) {
                RemotingCommand answer = read(server);
                if (sends.remove(answer.getOpaque()) && toLose.getAndUpdate(n -> Math.max(n - 1, 0)) > 0) {
                    lost.incrementAndGet();
                    return;
                }
                if (answer.getBody() != null) {
                    String body = new String(answer.getBody(), StandardCharsets.ISO_8859_1);
                    String led = body.replace(cluster.brokerAddr(), "127.0.0.1:" + broker.getLocalPort());
                    answer.setBody(led.getBytes(StandardCharsets.ISO_8859_1));
                }
                write(client, answer);
            }
        }
    }

    private static RemotingCommand read(Socket from) throws IOException {
        DataInputStream in = new DataInputStream(from.getInputStream());
        byte[] frame = new byte[in.readInt()];
        in.readFully(frame);
        try {
            return RemotingCommand.decode(frame);
        } catch (RemotingCommandException e) {
            throw new IOException(e);
        }
    }

    private static void write(Socket to, RemotingCommand command) throws IOException {
        to.getOutputStream().write(RawConnection.frame(command));
    }

    @FunctionalInterface
    private interface Work {
        void run() throws IOException;
    }

    private static void spawn(Work work) {
        Thread t = new Thread(() -> {
            try {
                work.run();
            } catch (IOException e) {
                // One end closed, which is how all of this ends.
            }
        }, "lossy path");
        t.setDaemon(true);
        t.start();
    }

    @Override
    public void close() throws IOException {
        namesrv.close();
        broker.close();
        for (Socket s : open) {
            s.close();
        }
    }
}
