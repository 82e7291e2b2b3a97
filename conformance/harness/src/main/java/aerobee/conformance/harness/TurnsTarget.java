package aerobee.conformance.harness;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Two kinds of broker that take turns on one store. */
final class TurnsTarget implements Target, SeparateProcesses.Roles {
    private final SeparateProcesses.Roles first;
    private final SeparateProcesses.Roles second;
    private final String order;
    private int turn;

    /** The order says with a 1 or a 2 whose each start of the broker is, and begins anew at its end. */
    TurnsTarget(SeparateProcesses.Roles first, SeparateProcesses.Roles second, String order) {
        this.first = first;
        this.second = second;
        this.order = order;
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
        return (order.charAt(turn++ % order.length()) == '1' ? first : second).startBroker(name, dir, conf, namesrvAddrs);
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
