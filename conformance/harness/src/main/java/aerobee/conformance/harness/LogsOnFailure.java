package aerobee.conformance.harness;

import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Prints the end of the servers' logs after a failed test. Registered for all tests by the service file. */
public final class LogsOnFailure implements AfterTestExecutionCallback {
    @Override
    public void afterTestExecution(ExtensionContext context) {
        context.getExecutionException().ifPresent(e -> System.err.println(
            "---- " + context.getRequiredTestClass().getSimpleName() + "." + context.getDisplayName() + " failed: " + e
                + "\n---- server logs:\n" + Clusters.logTails() + "----"));
    }
}
