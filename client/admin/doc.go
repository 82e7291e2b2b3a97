// Package admin is for operators: the operations behind RocketMQ's mqadmin verbs
// as Go functions with typed results, over the same requests, so that they work
// with any nameserver and broker of RocketMQ 4.x and 5.x. "aerobee admin" is
// built on it alone.
//
//	c, err := admin.New(admin.WithNameservers("127.0.0.1:9876"))
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	brokers, err := c.Brokers(ctx)
//
// Files are named after what they look after: cluster.go, topic.go, group.go,
// progress.go, offset.go, message.go, settings.go (configuration and the
// nameservers' key-value store), stats.go.
//
// Invariants:
//
//	A1. An answer that is not success is an error; client.CodeOf tells the code.
//	A2. A change that goes to several servers is tried on all of them, and the
//	    error names those where it failed.
//	A3. Lists are sorted, so that two calls can be compared.
//
// A Client may be used by any number of goroutines. Java counterpart:
// DefaultMQAdminExtImpl.
package admin
