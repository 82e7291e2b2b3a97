package aerobee.conformance.harness;

/** The thing under test: a way to start clusters of it. */
public interface Target {
    /** Starts a cluster with an empty store and returns when it is ready for clients. */
    Cluster start(ClusterSpec spec);

    /** The target that the system property {@code target} selects: {@code aerobee} (default) or {@code apache}. */
    static Target selected() {
        String name = Settings.target();
        return switch (name) {
            case "aerobee" -> new AerobeeTarget(Settings.aerobeeBinary());
            case "apache" -> new ApacheTarget(Settings.apacheClasspath());
            default -> throw new IllegalArgumentException("target is \"" + name + "\", allowed are aerobee and apache");
        };
    }
}
