// Package embedded runs a nameserver and a broker inside a Go program: for tests
// that want the real thing without a process or a container, and for programs
// that bring their broker along.
//
//	s, err := embedded.Start(ctx, embedded.WithTopic("orders", 4))
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	p, err := client.NewProducer(ctx, "shop", client.WithNameservers(s.Nameserver()))
//
// Nothing is on disk unless WithDir says where; a server in memory starts in
// milliseconds and forgets everything with Close, but not with StopBroker. Ports
// are chosen by the kernel, on loopback.
//
// Tests can make the broker fail: StopBroker and StartBroker take it away and
// bring it back with what it had, Crash takes it away as a power cut does, and
// WithFaults drops, delays or refuses chosen requests.
package embedded
