package aerobee.conformance.harness;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A cluster of one process per role: nameservers and a broker, each with a configuration file in Apache's words. What
 * kind of process that is, and how one sees that it is ready, is up to the target.
 */
final class SeparateProcesses implements Cluster {
    private static final Duration STOP = Duration.ofSeconds(60);

    /** How a target starts its roles. Both methods return when the process is ready. */
    interface Roles {
        Child startNamesrv(String name, Path dir, Path conf);

        Child startBroker(String name, Path dir, Path conf, List<String> namesrvAddrs);

        /** Broker settings that this target needs on top of the ordinary ones. */
        Map<String, String> brokerDefaults();

        boolean promisesQuickStop();
    }

    private final Roles roles;
    private final Path dir = Settings.newWorkDir();
    private final int brokerPort = Ports.broker();
    private final List<Integer> namesrvPorts = new ArrayList<>();
    private final List<Child> namesrvs = new ArrayList<>();
    private Child broker;

    SeparateProcesses(Roles roles, ClusterSpec spec) {
        this.roles = roles;
        try {
            for (int i = 0; i < spec.nameservers; i++) {
                namesrvPorts.add(Ports.nameserver());
                Trees.writeProperties(conf("namesrv-" + i), Map.of(
                    "listenPort", Integer.toString(namesrvPorts.get(i)),
                    "bindAddress", "127.0.0.1",
                    "kvConfigPath", dir.resolve("store/kv-" + i + ".json").toString(),
                    "configStorePath", dir.resolve("store/namesrv-" + i + ".properties").toString()));
                namesrvs.add(roles.startNamesrv("namesrv-" + i, dir, conf("namesrv-" + i)));
            }
            Trees.writeProperties(conf("broker"), brokerConf(spec));
            startBroker();
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private Path conf(String name) {
        return dir.resolve(name + ".conf");
    }

    private Map<String, String> brokerConf(ClusterSpec spec) {
        Map<String, String> conf = new TreeMap<>();
        conf.put("brokerClusterName", clusterName());
        conf.put("brokerName", brokerName());
        conf.put("brokerId", "0");
        conf.put("brokerIP1", "127.0.0.1");
        conf.put("bindAddress", "127.0.0.1");
        conf.put("listenPort", Integer.toString(brokerPort));
        conf.put("namesrvAddr", namesrvAddr());
        conf.put("storePathRootDir", dir.resolve("store/broker").toString());
        conf.put("storePathCommitLog", dir.resolve("store/broker/commitlog").toString());
        conf.put("flushDiskType", spec.syncFlush ? "SYNC_FLUSH" : "ASYNC_FLUSH");
        conf.put("autoCreateTopicEnable", "true");
        conf.putAll(roles.brokerDefaults());
        conf.putAll(spec.brokerProperties);
        return conf;
    }

    @Override
    public void startNamesrv(int index) {
        String name = "namesrv-" + index;
        namesrvs.set(index, roles.startNamesrv(name, dir, conf(name)));
    }

    @Override
    public void startBroker() {
        List<String> alive = new ArrayList<>();
        for (int i = 0; i < namesrvs.size(); i++) {
            if (namesrvs.get(i).alive()) {
                alive.add(namesrvAddrs().get(i));
            }
        }
        broker = roles.startBroker("broker", dir, conf("broker"), alive);
    }

    @Override
    public List<String> namesrvAddrs() {
        return namesrvPorts.stream().map(p -> "127.0.0.1:" + p).toList();
    }

    @Override
    public String brokerAddr() {
        return "127.0.0.1:" + brokerPort;
    }

    @Override
    public String brokerName() {
        return "broker-a";
    }

    @Override
    public Path storeDir() {
        return dir.resolve("store/broker");
    }

    @Override
    public String clusterName() {
        return "DefaultCluster";
    }

    @Override
    public void killBroker() {
        broker.kill();
    }

    @Override
    public Duration stopBroker() {
        return broker.terminate(STOP);
    }

    @Override
    public boolean promisesQuickStop() {
        return roles.promisesQuickStop();
    }

    @Override
    public void killNamesrv(int index) {
        namesrvs.get(index).kill();
    }

    @Override
    public boolean alive() {
        return broker.alive() && namesrvs.stream().allMatch(Child::alive);
    }

    @Override
    public String logTails() {
        StringBuilder b = new StringBuilder(broker.logTail(40));
        namesrvs.forEach(n -> b.append('\n').append(n.logTail(15)));
        return b.toString();
    }

    @Override
    public void close() {
        if (broker != null) {
            broker.kill();
        }
        namesrvs.forEach(Child::kill);
        Trees.delete(dir.resolve("store"));
    }
}
