package aerobee.conformance.harness;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/** Free ports on loopback, below the range that the kernel hands out by itself. No port is given twice. */
final class Ports {
    private static final Set<Integer> GIVEN = new HashSet<>();

    private Ports() {
    }

    static int nameserver() {
        return free(0);
    }

    /** A broker's main port: port-2 (fast remoting) and port+1 (replication) are free as well. */
    static int broker() {
        return free(-2, 0, 1);
    }

    private static synchronized int free(int... offsets) {
        for (int attempt = 0; attempt < 1000; attempt++) {
            int port = ThreadLocalRandom.current().nextInt(12_000, 30_000);
            if (allFree(port, offsets)) {
                for (int o : offsets) {
                    GIVEN.add(port + o);
                }
                return port;
            }
        }
        throw new IllegalStateException("no free ports on loopback");
    }

    private static boolean allFree(int port, int[] offsets) {
        for (int o : offsets) {
            if (GIVEN.contains(port + o)) {
                return false;
            }
            try (ServerSocket s = new ServerSocket(port + o, 1, InetAddress.getLoopbackAddress())) {
                s.setReuseAddress(false);
            } catch (IOException e) {
                return false;
            }
        }
        return true;
    }
}
