/**
 * Starts, kills and restarts the servers that the tests talk to.
 *
 * <p>{@link aerobee.conformance.harness.Target} chooses between aerobee and Apache RocketMQ,
 * {@link aerobee.conformance.harness.Clusters} hands out running clusters, and
 * {@link aerobee.conformance.harness.Child} sees to it that no process outlives the tests. Nothing here knows a
 * RocketMQ class, so that tests with any client version can use it.
 */
package aerobee.conformance.harness;
