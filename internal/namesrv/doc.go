// Package namesrv is the nameserver: it knows which broker serves which queues
// of which topic, and tells clients.
//
// Brokers register with every nameserver and repeat it every 10 to 60 seconds;
// nameservers do not know each other. Everything is in memory, except the
// key-value configuration, which is one JSON file.
//
// Table (routes.go, expiry.go, lookup.go) is a pure state machine: calls with
// the time in, results and effects out, no goroutine, clock or network inside.
// Server is its driver: a remoting server, one handler per request code
// (verbs.go lists them), the expiry ticker and the files.
//
// Invariants:
//
//	N1. A cluster lists only groups that exist, and every group is in one.
//	N2. A group has at least one member; ids and addresses are unique within it.
//	N3. A topic has at least one queue entry; every broker named by one has a group.
//	N4. A member whose connection closed, or that was silent for its timeout, is
//	    out of the routes at the next scan at the latest.
//	N5. Nothing grows without bound: topics, brokers and KV entries have limits,
//	    and so has what a compressed registration may unpack to.
//	N6. What a KV or configuration verb acknowledged is on disk.
//
// Concurrency: one goroutine at a time changes the Table (Server.mu). Routes are
// read without the lock, from immutable snapshots per topic and per group, so a
// registration of a million topics does not stop the route requests; a reader
// may see some topics of a registration before others.
//
// Wire format: remoting protocol, section nameserver. Java counterpart: module
// namesrv, RouteInfoManager and the request processors.
package namesrv
