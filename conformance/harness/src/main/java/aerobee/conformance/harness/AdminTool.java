package aerobee.conformance.harness;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The binary's commands for operators, which work with any server. */
public final class AdminTool {
    private AdminTool() {
    }

    /** What a command printed, to both outputs, and how it ended. */
    public record Outcome(int exitCode, String text) {
    }

    /** A command that runs. */
    public static final class Running {
        private final Process process;
        private final Path out;

        private Running(Process process, Path out) {
            this.process = process;
            this.out = out;
        }

        /** Waits for its end. */
        public Outcome await() {
            try {
                try {
                    int code = process.waitFor();
                    return new Outcome(code, Files.readString(out));
                } finally {
                    Files.deleteIfExists(out);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                process.destroyForcibly();
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }

        /** SIGKILL. Returns when it is gone. */
        public void kill() {
            process.destroyForcibly();
            await();
        }
    }

    /** Starts aerobee admin with arguments. */
    public static Running start(String... args) {
        List<String> command = new ArrayList<>(List.of(Settings.aerobeeBinary().toString(), "admin"));
        command.addAll(Arrays.asList(args));
        try {
            Path out = Files.createTempFile("admin-tool", ".out");
            return new Running(new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile()).start(), out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Runs aerobee admin with arguments and waits for its end. */
    public static Outcome run(String... args) {
        return start(args).await();
    }
}
