package aerobee.conformance.harness;

import java.util.Map;
import java.util.TreeMap;

/** What a test wants to have running: nameservers, one broker, and the broker settings that differ from the defaults. */
public final class ClusterSpec {
    final int nameservers;
    final boolean syncFlush;
    final Map<String, String> brokerProperties;

    private ClusterSpec(int nameservers, boolean syncFlush, Map<String, String> brokerProperties) {
        this.nameservers = nameservers;
        this.syncFlush = syncFlush;
        this.brokerProperties = brokerProperties;
    }

    /** One nameserver and one broker that acknowledges before the flush. */
    public static ClusterSpec standard() {
        return new ClusterSpec(1, false, Map.of());
    }

    /** The same with that many nameservers; the broker registers with all of them. */
    public ClusterSpec withNameservers(int n) {
        return new ClusterSpec(n, syncFlush, brokerProperties);
    }

    /** The same with a broker that acknowledges only what is on the disk. */
    public ClusterSpec withSyncFlush() {
        return new ClusterSpec(nameservers, true, brokerProperties);
    }

    /** The same with one more line in the broker's configuration file, in the words of Apache RocketMQ. */
    public ClusterSpec with(String key, String value) {
        Map<String, String> m = new TreeMap<>(brokerProperties);
        m.put(key, value);
        return new ClusterSpec(nameservers, syncFlush, Map.copyOf(m));
    }

    /** True if command line flags alone can say it, so that the single process form can be used. */
    boolean isPlain() {
        return nameservers == 1 && brokerProperties.isEmpty();
    }
}
