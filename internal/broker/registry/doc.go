// Package registry knows which producers and consumers are online.
//
// It is a deterministic core: heartbeats, unregistrations, closed connections
// and the passing of time come in as method calls, and what the broker has to do
// about them goes out as Effects (tell the members of a group to rebalance, close
// a connection). It starts no goroutine, reads no clock and sends nothing.
//
// Invariants:
//
//	R1. A group exists exactly while it has a member, and a member is one
//	    connection: the same client on two connections is two members.
//	R2. Every change of a group's members or topics yields one Change with the
//	    members after it, unless the group is broadcasting or empty.
//	R3. A *Group handed out never changes; a change puts a new one in its place.
//	R4. A connection is in at most Limits.GroupsPerConn groups, a group has at
//	    most Limits.TopicsPerGroup subscriptions. A heartbeat beyond a limit is
//	    refused as a whole.
//
// Concurrency: all methods may be called from any goroutine; Registry.mu guards
// the tables and is never held across a callback.
//
// Facts: consumption.md 1, remoting.md 5.10. Java counterparts: ConsumerManager,
// ConsumerGroupInfo, ProducerManager. Start reading at Registry.Heartbeat.
package registry
