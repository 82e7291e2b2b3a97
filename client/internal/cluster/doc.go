// Package cluster is a client's way to nameservers and brokers: it knows which
// nameservers there are, asks another one when one is silent, sends typed
// requests over internal/remoting, turns response codes into errors, and keeps
// the routes of the topics in use.
//
// Invariants:
//
//	C1. A response code other than success is always an error that holds a
//	    *protocol.Error, unless the caller accepts that code.
//	C2. A Route never changes after it was handed out; a new one replaces it.
//	C3. At most one lookup of a topic is under way; whoever needs it meanwhile
//	    waits for that one.
//
// A Cluster and a Routes may be used by any number of goroutines. Neither holds
// a lock during I/O. Java counterparts: MQClientAPIImpl, MQClientInstance.
package cluster
