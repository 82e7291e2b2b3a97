package aerobee.conformance;

import java.time.Duration;

/** Milliseconds that separate earlier from later messages. */
final class Clock {
    private Clock() {
    }

    /** A millisecond after everything stored before the call and before everything stored after it. */
    static long border() {
        long border = System.currentTimeMillis() + 2;
        Rmq.await("clock").pollInterval(Duration.ofMillis(1)).until(() -> System.currentTimeMillis() > border);
        return border;
    }
}
