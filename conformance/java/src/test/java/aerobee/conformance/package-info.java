/** Black-box tests with the Java client and tools of RocketMQ 5.5.0. One class for one thing that users rely on. */
package aerobee.conformance;
