package aerobee.conformance.harness;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Two kinds of broker that take turns on one store: each start of the broker is the other kind's. */
final class TurnsTarget implements Target, SeparateProcesses.Roles {
    private final SeparateProcesses.Roles first;
    private final SeparateProcesses.Roles second;
    private int turn;

    TurnsTarget(SeparateProcesses.Roles first, SeparateProcesses.Roles second) {
        this.first = first;
        this.second = second;
    }

    @Override
    public Cluster start(ClusterSpec spec) {
        return new SeparateProcesses(this, spec);
    }

    @Override
    public Child startNamesrv(String name, Path dir, Path conf) {
        return second.startNamesrv(name, dir, conf);
    }

    @Override
    public Child startBroker(String name, Path dir, Path conf, List<String> namesrvAddrs) {
        return (turn++ % 2 == 0 ? first : second).startBroker(name, dir, conf, namesrvAddrs);
    }

    /** The first one's: the sizes of files must be the same for both. */
    @Override
    public Map<String, String> brokerDefaults() {
        return first.brokerDefaults();
    }

    @Override
    public boolean promisesQuickStop() {
        return false;
    }
}
