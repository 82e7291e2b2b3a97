package aerobee.conformance.harness;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where things are. All of it comes from system properties that the build sets, or from the environment. */
public final class Settings {
    private Settings() {
    }

    public static String target() {
        return System.getProperty("target", "aerobee");
    }

    public static boolean isAerobee() {
        return target().equals("aerobee");
    }

    /** Whether the binary is there; tests against Apache's servers can do without. */
    public static boolean hasAerobee() {
        try {
            aerobeeBinary();
            return true;
        } catch (IllegalStateException e) {
            return false;
        }
    }

    /** The binary: system property or variable AEROBEE_BIN, else bin/aerobee of the repository. */
    static Path aerobeeBinary() {
        String given = System.getProperty("AEROBEE_BIN", System.getenv("AEROBEE_BIN"));
        Path bin = given != null && !given.isEmpty() ? Path.of(given) : conformanceDir().resolve("../bin/aerobee");
        bin = bin.toAbsolutePath().normalize();
        if (!Files.isExecutable(bin)) {
            throw new IllegalStateException("no executable at " + bin + ": run make build, or set AEROBEE_BIN");
        }
        return bin;
    }

    /** The class path of the reference servers, as the harness module's build wrote it. */
    static String apacheClasspath() {
        Path file = conformanceDir().resolve("harness/target/apache.classpath");
        try {
            return Files.readString(file).trim();
        } catch (IOException e) {
            throw new UncheckedIOException("build the harness module first", e);
        }
    }

    /** A fresh directory for a cluster's files, below the build directory. */
    static Path newWorkDir() {
        try {
            Path work = Path.of(System.getProperty("conformance.work", "target/servers")).toAbsolutePath();
            Files.createDirectories(work);
            return Files.createTempDirectory(work, target() + "-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path conformanceDir() {
        return Path.of(System.getProperty("conformance.dir", ".."));
    }
}
