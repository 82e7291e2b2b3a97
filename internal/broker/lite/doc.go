// Package lite serves lite topics: very many small queues below one parent topic,
// consumed in order by POP.
//
// A lite topic is the light queue %LMQ%$parent$name, which the store fills while it
// stores messages of the parent (storage.md 3.9). This package knows what there is
// besides the messages: which queues exist (topics.go), who subscribes to them
// (subscriptions.go), which client is told of which queue (events.go), which
// messages are out (order.go), and which queues have expired (expiry.go). It has no
// goroutine of its own but the two of Service.Start, no timer and no goroutine for
// a topic, a subscription or a client, and does not touch the disk or the network:
// the broker gives it functions.
//
// The way of a message: an entry of the queue arrives; for each group that
// subscribes to it the queue's name goes into the bounded event queue of one client,
// whose held pop is woken. The pop takes names, and from each queue the messages
// from the group's committed offset on. While they are out the queue is blocked for
// the group; acknowledgements in any order commit the first offset that is still
// out. When all are acknowledged, or their time is over, the queue is an event again.
//
// Invariants:
//
//	L1. A queue with messages behind the committed offset of a subscribed group is
//	    in an event queue, blocked with a time set, or covered by a full dispatch that
//	    is scheduled; an event is never dropped without one of the others.
//	L2. At most one pop at a time reads a queue for a group, and what it hands out
//	    begins at the group's committed offset.
//	L3. The committed offset of a group moves only over messages that were
//	    acknowledged, except by a reset. A receipt from before a restart, of which
//	    nothing is known, counts only for the message at the committed offset.
//	L4. A queue expires only if nothing was stored in it since it was found idle.
//	L5. All tables are bounded; see the constants of the files.
//
// Concurrency: one mutex guards everything; it is held for memory only. Functions of
// Config marked "locked" are called with it held, must be quick, and call nothing back.
// Facts: consumption.md 9. Java counterparts: LiteEventDispatcher,
// LiteSubscriptionRegistryImpl, MemoryConsumerOrderInfoManager, LiteLifecycleManager.
// Start reading at Service.Arrived, Service.Next and Service.Ack.
package lite
