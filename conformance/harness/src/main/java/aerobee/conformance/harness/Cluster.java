package aerobee.conformance.harness;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * Running servers. Addresses stay the same over kills and restarts, and so does the store. Not safe for concurrent
 * use, except the address methods.
 */
public interface Cluster extends AutoCloseable {
    /** All nameservers, separated by semicolons, as clients take them. */
    default String namesrvAddr() {
        return String.join(";", namesrvAddrs());
    }

    List<String> namesrvAddrs();

    String brokerAddr();

    String brokerName();

    /** The broker's store directory. */
    Path storeDir();

    String clusterName();

    /** SIGKILL. Returns when the process is gone. May take the nameserver with it where both are one process. */
    void killBroker();

    /** SIGTERM. Returns how long the process took to exit; kills it and fails after a minute. */
    Duration stopBroker();

    /** Starts a stopped or killed broker again on the same store; returns when it is ready. */
    void startBroker();

    /** Whether stopBroker is held to the limit that the product promises for itself. */
    boolean promisesQuickStop();

    void killNamesrv(int index);

    void startNamesrv(int index);

    /** False as soon as one process that should run does not. */
    boolean alive();

    /** The end of every log, for the report of a failed test. */
    String logTails();

    /** Kills everything and removes the stores; logs stay. */
    @Override
    void close();
}
