/** A smoke suite that compiles and runs with every 4.x client; each version is a Maven module beside this folder. */
package aerobee.conformance.java4;
