package aerobee.conformance.harness;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Apache RocketMQ's own nameserver and broker, each in a child JVM: the judge of the tests. */
final class ApacheTarget implements Target, SeparateProcesses.Roles {
    private static final Duration READY = Duration.ofSeconds(90);

    private final String classpath;

    ApacheTarget(String classpath) {
        this.classpath = classpath;
    }

    @Override
    public Cluster start(ClusterSpec spec) {
        return new SeparateProcesses(this, spec);
    }

    @Override
    public Child startNamesrv(String name, Path dir, Path conf) {
        return launch(name, dir, conf, "org.apache.rocketmq.namesrv.NamesrvStartup");
    }

    @Override
    public Child startBroker(String name, Path dir, Path conf, List<String> namesrvAddrs) {
        Child broker = launch(name, dir, conf, "org.apache.rocketmq.broker.BrokerStartup");
        try {
            // It says it is up before it has found its nameservers; the first registration that works comes ten seconds later.
            namesrvAddrs.forEach(a -> Probe.awaitRoute(a, "DefaultCluster", READY));
        } catch (RuntimeException e) {
            broker.kill();
            throw e;
        }
        return broker;
    }

    private Child launch(String name, Path dir, Path conf, String mainClass) {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx512m", "-XX:MaxDirectMemorySize=512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
            "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
            "-Duser.home=" + dir, "-Drocketmq.home.dir=" + dir, "-Drocketmq.log.root=" + dir.resolve("logs")));
        command.addAll(List.of("-cp", classpath, mainClass, "-c", conf.toString()));
        Child child = Child.start(name, dir.resolve(name + ".log"), dir, Map.of("ROCKETMQ_HOME", dir.toString()), command);
        return child.awaitReady(l -> l.contains("boot success"), READY);
    }

    /** Small files and patience: a busy machine must not look like an overloaded broker. */
    @Override
    public Map<String, String> brokerDefaults() {
        return Map.of(
            "mappedFileSizeCommitLog", Integer.toString(64 << 20),
            "mappedFileSizeConsumeQueue", Integer.toString(20 * 4000),
            "maxHashSlotNum", "10000",
            "maxIndexNum", "40000",
            "waitTimeMillsInSendQueue", "10000",
            "waitTimeMillsInPullQueue", "10000",
            "osPageCacheBusyTimeOutMills", "10000",
            "syncFlushTimeout", "20000",
            "diskMaxUsedSpaceRatio", "95",
            "flushConsumerOffsetInterval", "1000");
    }

    @Override
    public boolean promisesQuickStop() {
        return false;
    }
}
