// Package goclient holds conformance tests that drive a server with Apache's Go client for the remoting protocol: an
// implementation of the protocol that shares no code with the Java client. It is a module of its own, so that the client
// and what it pulls in stay out of the server's dependencies.
//
// The tests talk to the nameserver in NAMESRV_ADDR if that is set. Otherwise they start the binary that AEROBEE_BIN names,
// or bin/aerobee of the repository, and skip if there is none.
package goclient
