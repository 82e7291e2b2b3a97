// Package fake is a nameserver and brokers in the process of a test: real sockets
// and frames, messages in memory, and only as much behaviour as tests of clients
// and tools need. Any verb can be replaced to answer otherwise, late, or never.
//
// A Server answers each request on a goroutine of its own, so a handler may
// block; Close waits for all of them. Handlers and Cluster may be used from any
// goroutine.
package fake
