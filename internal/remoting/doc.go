// Package remoting speaks RocketMQ's remoting protocol: frames, header codecs,
// a server and a client. It knows nothing of brokers or topics.
//
// One goroutine reads a connection. It decodes all frames that one read brought
// where they lie, calls the Handler for each of them, calls AfterBatch once, and
// sends the collected replies with one write. There is no goroutine per request
// and none per connection for writing: whoever produced output writes it if the
// socket takes it, and only what it does not take goes to a goroutine that lives
// until the rest is gone.
//
// Invariants:
//
//	R1. A Command given to a Handler, and every string and body in it, aliases
//	    the read buffer; it is valid until the handler returns.
//	R2. A request that is not oneway is answered by at most one frame, with its
//	    own opaque; a oneway request never is.
//	R3. Frames of one connection are appended to its output whole, under the
//	    output's lock, and leave in the order they were appended.
//	R4. At most one goroutine writes to a connection at a time; it is the one that
//	    set output.flushing.
//	R5. A malformed frame closes the connection; no input panics.
//	R6. Everything a peer can make us keep is bounded: bytes of an unfinished
//	    frame and of unread output per connection and in total, requests waiting
//	    for workers, calls waiting for responses, connections, header fields.
//
// Concurrency: the methods of Server, Client, Conn and Ticket may be called from
// any goroutine. Handlers, AfterBatch, OnOpen and OnClose of one connection run on
// its reader, never at the same time. No lock is held while calling out or during
// a system call. Lock order: Client.mu, peer.mu, Client.life; output.mu, budget.mu;
// all others are leaves.
//
// Start reading at conn.go (a connection's life), then output.go (who writes when),
// decode_json.go and plan.go (the hot codecs), server.go and client.go.
//
// The wire format is that of Java's NettyRemotingServer, RemotingCommand and
// RocketMQSerializable in 5.5.0.
package remoting
