package aerobee.conformance.harness;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The built binary. A plain specification runs as {@code aerobee server}, as users run it; anything else as
 * {@code aerobee namesrv} and {@code aerobee broker} with configuration files.
 */
final class AerobeeTarget implements Target, SeparateProcesses.Roles {
    private static final String READY_LINE = "aerobee ready ";
    private static final Duration READY = Duration.ofSeconds(20);
    private static final Duration STOP = Duration.ofSeconds(60);

    private final Path bin;

    AerobeeTarget(Path bin) {
        this.bin = bin;
    }

    @Override
    public Cluster start(ClusterSpec spec) {
        return spec.isPlain() ? new OneProcess(spec.syncFlush) : new SeparateProcesses(this, spec);
    }

    @Override
    public Child startNamesrv(String name, Path dir, Path conf) {
        return launch(name, dir, List.of("namesrv", "-c", conf.toString()));
    }

    @Override
    public Child startBroker(String name, Path dir, Path conf, List<String> namesrvAddrs) {
        return launch(name, dir, List.of("broker", "-c", conf.toString()));
    }

    @Override
    public Map<String, String> brokerDefaults() {
        return Map.of();
    }

    @Override
    public boolean promisesQuickStop() {
        return true;
    }

    private Child launch(String name, Path dir, List<String> args) {
        List<String> command = new ArrayList<>();
        command.add(bin.toString());
        command.addAll(args);
        return Child.start(name, dir.resolve(name + ".log"), dir, Map.of(), command)
            .awaitReady(l -> l.startsWith(READY_LINE), READY);
    }

    /** The fields of the ready line: addresses by role. */
    private static Map<String, String> addresses(Child child) {
        String line = child.awaitLine(l -> l.startsWith(READY_LINE), READY);
        Map<String, String> fields = new HashMap<>();
        for (String word : line.substring(READY_LINE.length()).trim().split("\\s+")) {
            int eq = word.indexOf('=');
            fields.put(word.substring(0, eq), word.substring(eq + 1));
        }
        return fields;
    }

    /** Nameserver and broker in one process, which therefore come and go together. */
    private final class OneProcess implements Cluster {
        private final Path dir = Settings.newWorkDir();
        private final int namesrvPort = Ports.nameserver();
        private final int brokerPort = Ports.broker();
        private final boolean syncFlush;
        private Map<String, String> addresses;
        private Child child;

        OneProcess(boolean syncFlush) {
            this.syncFlush = syncFlush;
            startBroker();
        }

        @Override
        public void startBroker() {
            child = launch("server", dir, List.of("server", "--data", dir.resolve("data").toString(),
                "--namesrv-port", Integer.toString(namesrvPort), "--broker-port", Integer.toString(brokerPort),
                "--console-port", "0", "--proxy-port", "0", "--flush", syncFlush ? "sync" : "async"));
            addresses = addresses(child);
        }

        @Override
        public List<String> namesrvAddrs() {
            return List.of(addresses.get("namesrv"));
        }

        @Override
        public String brokerAddr() {
            return addresses.get("broker");
        }

        @Override
        public String brokerName() {
            return "broker-a";
        }

        @Override
        public Path storeDir() {
            return dir.resolve("data");
        }

        @Override
        public String clusterName() {
            return "DefaultCluster";
        }

        @Override
        public void killBroker() {
            child.kill();
        }

        @Override
        public Duration stopBroker() {
            Duration took = child.terminate(STOP);
            if (child.exitCode() != 0) {
                throw new IllegalStateException("exit code " + child.exitCode() + " after SIGTERM\n" + child.logTail(60));
            }
            return took;
        }

        @Override
        public boolean promisesQuickStop() {
            return true;
        }

        @Override
        public void killNamesrv(int index) {
            throw new UnsupportedOperationException("nameserver and broker are one process here");
        }

        @Override
        public void startNamesrv(int index) {
            throw new UnsupportedOperationException("nameserver and broker are one process here");
        }

        @Override
        public boolean alive() {
            return child.alive();
        }

        @Override
        public String logTails() {
            return child.logTail(40);
        }

        @Override
        public void close() {
            child.kill();
            Trees.delete(dir.resolve("data"));
        }
    }
}
