package aerobee.conformance.harness;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * A child process: standard output is read line by line, standard error goes to a log file together with it. No child
 * outlives this JVM, not even if the JVM is killed: each has a watchdog shell that waits on a pipe from here.
 */
public final class Child {
    private static final Set<Child> RUNNING = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> RUNNING.forEach(c -> c.process.destroyForcibly())));
    }

    private final String name;
    private final Path log;
    private final Process process;
    private final Process watchdog;
    private final Thread reader;
    private final List<String> lines = new ArrayList<>();
    private boolean ended;

    private Child(String name, Path log, Process process, Process watchdog) {
        this.name = name;
        this.log = log;
        this.process = process;
        this.watchdog = watchdog;
        this.reader = new Thread(this::read, "stdout of " + name);
        reader.setDaemon(true);
    }

    /** Starts a process. Its output is appended to the log file. */
    public static Child start(String name, Path log, Path dir, Map<String, String> env, List<String> command) {
        try {
            Files.createDirectories(log.getParent());
            Files.writeString(log, "==== " + String.join(" ", command) + "\n", StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
            ProcessBuilder b = new ProcessBuilder(command).directory(dir.toFile())
                .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
            b.environment().putAll(env);
            Process p = b.start();
            p.getOutputStream().close();
            Process w = new ProcessBuilder("/bin/sh", "-c", "read _; kill -9 \"$0\" 2>/dev/null", Long.toString(p.pid()))
                .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
            Child c = new Child(name, log, p, w);
            RUNNING.add(c);
            c.reader.start();
            p.onExit().thenRun(() -> {
                w.destroyForcibly();
                RUNNING.remove(c);
            });
            return c;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void read() {
        try (BufferedReader r = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = r.readLine(); line != null; line = r.readLine()) {
                Files.writeString(log, line + "\n", StandardOpenOption.APPEND);
                synchronized (this) {
                    lines.add(line);
                    notifyAll();
                }
            }
        } catch (IOException e) {
            // The process died under the reader; whoever waits for a line learns it from "ended".
        }
        synchronized (this) {
            ended = true;
            notifyAll();
        }
    }

    /** Waits until a line of standard output (also an earlier one) satisfies the condition. */
    public synchronized String awaitLine(Predicate<String> wanted, Duration limit) {
        long deadline = System.nanoTime() + limit.toNanos();
        int seen = 0;
        while (true) {
            Optional<String> hit = lines.subList(seen, lines.size()).stream().filter(wanted).findFirst();
            if (hit.isPresent()) {
                return hit.get();
            }
            seen = lines.size();
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (ended || left <= 0) {
                throw new IllegalStateException(name + (ended ? " exited" : " was not ready after " + limit)
                    + "; its log ends with:\n" + logTail(60));
            }
            try {
                wait(left);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while waiting for " + name, e);
            }
        }
    }

    /** Waits for a line like awaitLine and returns this; kills the process if the line does not come. */
    public Child awaitReady(Predicate<String> wanted, Duration limit) {
        try {
            awaitLine(wanted, limit);
            return this;
        } catch (RuntimeException e) {
            kill();
            throw e;
        }
    }

    /** All lines of standard output up to now. */
    public synchronized List<String> lines() {
        return List.copyOf(lines);
    }

    public boolean alive() {
        return process.isAlive();
    }

    public long pid() {
        return process.pid();
    }

    /** SIGKILL; returns when the process is gone. */
    public void kill() {
        process.destroyForcibly();
        awaitExit(Duration.ofSeconds(20));
    }

    /** SIGTERM; returns the time until exit. */
    public Duration terminate(Duration limit) {
        long start = System.nanoTime();
        process.destroy();
        if (!awaitExit(limit)) {
            kill();
            throw new IllegalStateException(name + " did not exit within " + limit + " of SIGTERM; its log ends with:\n"
                + logTail(60));
        }
        return Duration.ofNanos(System.nanoTime() - start);
    }

    public int exitCode() {
        return process.exitValue();
    }

    private boolean awaitExit(Duration limit) {
        try {
            return process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** The last lines of the log. */
    public String logTail(int n) {
        try {
            List<String> all = new String(Files.readAllBytes(log), StandardCharsets.UTF_8).lines()
                .filter(l -> !l.contains("|-INFO in")).toList();
            return name + " (" + log + ")\n" + String.join("\n", all.subList(Math.max(0, all.size() - n), all.size()));
        } catch (IOException e) {
            return name + ": no log: " + e;
        }
    }
}
