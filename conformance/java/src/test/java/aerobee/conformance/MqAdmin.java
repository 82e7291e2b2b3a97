package aerobee.conformance;

import aerobee.conformance.harness.Cluster;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/** Runs the verbs of mqadmin in this JVM and returns what they print, exceptions included. */
final class MqAdmin {
    private static final ThreadLocal<OutputStream> CAPTURE = new ThreadLocal<>();

    static {
        System.setOut(new PrintStream(new Router(System.out), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new Router(System.err), true, StandardCharsets.UTF_8));
    }

    private MqAdmin() {
    }

    /** Adds -n with the cluster's nameservers. One at a time: the tool keeps its nameserver in a system property. */
    static synchronized String run(Cluster cluster, String... args) {
        List<String> all = new ArrayList<>(List.of(args));
        all.add("-n");
        all.add(cluster.namesrvAddr());
        ByteArrayOutputStream captured = new ByteArrayOutputStream();
        CAPTURE.set(captured);
        Commands.forget();
        try {
            MQAdminStartup.main0(all.toArray(new String[0]), null);
        } finally {
            CAPTURE.remove();
            System.clearProperty("rocketmq.namesrv.addr");
        }
        return captured.toString(StandardCharsets.UTF_8);
    }

    /** The tool's table of commands: they keep their clients, and with them the cluster of their first run. */
    private static final class Commands extends MQAdminStartup {
        static void forget() {
            SUB_COMMANDS.clear();
        }
    }

    /** Sends what the capturing thread prints to its buffer, everything else where it always went. */
    private static final class Router extends OutputStream {
        private final OutputStream normal;

        Router(OutputStream normal) {
            this.normal = normal;
        }

        private OutputStream target() {
            OutputStream captured = CAPTURE.get();
            return captured == null ? normal : captured;
        }

        @Override
        public void write(int b) throws IOException {
            target().write(b);
        }

        @Override
        public void write(byte[] b, int off, int len) throws IOException {
            target().write(b, off, len);
        }

        @Override
        public void flush() throws IOException {
            target().flush();
        }
    }
}
