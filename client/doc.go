// Package client is a RocketMQ client: it sends messages to, and pulls messages
// from, any broker that speaks the remoting protocol, aerobee's and Apache's
// alike.
//
//	p, err := client.NewProducer(ctx, "orders", client.WithNameservers("127.0.0.1:9876"))
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//	result, err := p.Send(ctx, &client.Message{Topic: "Orders", Body: []byte("hello")})
//
// # What the ways of sending promise
//
// Send returns when a broker has stored the message as durably as its
// configuration says; SendResult.Status tells whether it also waited for the
// disk and the replicas. After an error the message may or may not be stored:
// the request may have arrived and only the answer been lost. A retry can
// therefore store a message twice, under one ID. SendAsync is the same without
// the wait. SendOneway promises nothing. SendBatch stores all of a batch or
// nothing, in one queue.
//
// # Retries
//
// Send tries again, on another broker where there is one, when a broker cannot
// be reached or answers that it is busy or not serving (see WithRetries). Any
// other answer is final. A message for one particular queue is tried once. CodeOf
// tells which code a server answered with.
//
// # Invariants
//
//	P1. Every operation ends when its context ends; one without a deadline gets
//	    the configured timeout.
//	P2. After Close has returned, no goroutine and no connection of the client is
//	    left, and no callback is called any more.
//	P3. What is unanswered at any time is bounded (WithMaxInFlight,
//	    WithBufferedBatches); at the bound, calls wait.
//
// Producers and consumers may be used by any number of goroutines. Options come
// in families: an Option fits every kind of client, a ProducerOption and a
// PullConsumerOption only one. Operators find their verbs in the sub-package
// admin.
package client
