package aerobee.conformance.harness;

import java.util.List;

/**
 * Runs a command while a cluster of the selected target is up: {@code java ... WithCluster command arg...}. The command
 * finds the nameserver in NAMESRV_ADDR; its exit code becomes that of this program. For tests in other languages.
 */
public final class WithCluster {
    private WithCluster() {
    }

    public static void main(String[] command) throws Exception {
        Cluster cluster = Clusters.shared();
        ProcessBuilder builder = new ProcessBuilder(List.of(command)).inheritIO();
        builder.environment().put("NAMESRV_ADDR", cluster.namesrvAddr());
        int exit = builder.start().waitFor();
        if (exit != 0) {
            System.err.println("---- server logs:\n" + cluster.logTails());
        }
        System.exit(exit);
    }
}
