package aerobee.conformance.harness;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The clusters of this test run. Shared ones start when first asked for and live until the JVM ends; tests that kill or
 * stop servers start one for themselves and close it.
 */
public final class Clusters {
    private static final Map<String, Cluster> SHARED = new ConcurrentHashMap<>();
    private static final Map<String, RuntimeException> FAILED = new ConcurrentHashMap<>();
    private static final Set<Cluster> OPEN = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> SHARED.values().forEach(Cluster::close)));
    }

    private Clusters() {
    }

    /** Defaults: topics are created by the first send, acknowledged before the flush. Never kill or stop this one. */
    public static Cluster shared() {
        return shared("standard", ClusterSpec.standard());
    }

    /** Like shared, but topics must be created by an administrator and all 18 delay levels take one second. */
    public static Cluster strict() {
        return shared("strict", ClusterSpec.standard()
            .with("autoCreateTopicEnable", "false")
            .with("messageDelayLevel", "1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s"));
    }

    /** A cluster that does not start fails all its tests at once, not each after the same wait. */
    private static Cluster shared(String name, ClusterSpec spec) {
        RuntimeException earlier = FAILED.get(name);
        if (earlier != null) {
            throw new IllegalStateException("the " + name + " cluster did not start", earlier);
        }
        return SHARED.computeIfAbsent(name, k -> {
            try {
                return open(spec);
            } catch (RuntimeException e) {
                FAILED.put(name, e);
                throw e;
            }
        });
    }

    /** A cluster for the caller alone, who closes it. */
    public static Cluster own(ClusterSpec spec) {
        return open(spec);
    }

    /** A cluster of Apache's servers for the caller alone, whatever the target is. */
    public static Cluster reference(ClusterSpec spec) {
        Cluster c = new ApacheTarget(Settings.apacheClasspath()).start(spec);
        OPEN.add(c);
        return c;
    }

    /**
     * A cluster for the caller alone whose broker is Apache's at first, and with each start the other kind: the target's,
     * Apache's again, and so on, all on one store.
     */
    public static Cluster takingTurns(ClusterSpec spec) {
        return takingTurns(spec, "12");
    }

    /** The same in another order: 1 for Apache's broker, 2 for the target's. */
    public static Cluster takingTurns(ClusterSpec spec, String order) {
        ApacheTarget apache = new ApacheTarget(Settings.apacheClasspath());
        SeparateProcesses.Roles other = Settings.isAerobee() ? new AerobeeTarget(Settings.aerobeeBinary()) : apache;
        Cluster c = new TurnsTarget(apache, other, order).start(spec);
        OPEN.add(c);
        return c;
    }

    /** The logs of every cluster that was started and runs, for the report of a failure. */
    static String logTails() {
        StringBuilder b = new StringBuilder();
        OPEN.forEach(c -> b.append(c.logTails()).append('\n'));
        return b.toString();
    }

    /** Forgets a closed cluster. */
    public static void close(Cluster c) {
        OPEN.remove(c);
        c.close();
    }

    private static Cluster open(ClusterSpec spec) {
        Cluster c = Target.selected().start(spec);
        OPEN.add(c);
        return c;
    }
}
