package aerobee.conformance.harness;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The binary's commands for store directories. */
public final class StoreTool {
    private StoreTool() {
    }

    /** What a command printed, to both outputs, and how it ended. */
    public record Outcome(int exitCode, String text) {
        /** The lines that are JSON objects. */
        public List<String> objects() {
            return text.lines().filter(l -> l.startsWith("{")).toList();
        }
    }

    /** Runs aerobee store with arguments and waits for its end. */
    public static Outcome run(String... args) {
        List<String> command = new ArrayList<>(List.of(Settings.aerobeeBinary().toString(), "store"));
        command.addAll(Arrays.asList(args));
        try {
            Path out = Files.createTempFile("store-tool", ".out");
            try {
                Process p = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile()).start();
                int code = p.waitFor();
                return new Outcome(code, Files.readString(out));
            } finally {
                Files.delete(out);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }
}
