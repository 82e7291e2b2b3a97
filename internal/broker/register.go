package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
)

// Times of the registration.
const (
	secondRegistration = 10 * time.Second // after the first, as in Java
	registerTick       = time.Second
	registerRetry      = time.Second      // after a failure, doubled up to registerRetryMost
	registerRetryMost  = 10 * time.Second // Java's shortest period
	settleLimit        = 3 * time.Second  // that an administrator's change waits for nameservers
)

// registrar makes the broker and its topics known to all nameservers: all topics
// at the start and periodically, changed topics at once. Each nameserver has its
// own pace: one that does not answer delays no other.
type registrar struct {
	b      *Broker
	client *remoting.Client
	wake   chan struct{}

	mu struct {
		sync.Mutex
		seq     uint64            // of the last change
		all     uint64            // the last change that concerns all topics
		changes map[string]uint64 // changed topics that some nameserver has not got
		servers map[string]*nameserver
		ended   chan struct{} // closed and replaced when a call has ended
		left    bool          // the broker is going
	}
}

// nameserver is where the registration with one nameserver stands. It is guarded
// by registrar.mu.
type nameserver struct {
	busy     bool                 // a call is under way
	known    bool                 // the last call succeeded: changes alone are enough
	tried    uint64               // changes that the calls so far covered
	next     time.Time            // of the next full registration
	version  protocol.DataVersion // that the nameserver got last
	rounds   int                  // full registrations that succeeded
	failures int                  // calls that failed since the last success
}

func newRegistrar(b *Broker) *registrar {
	r := &registrar{b: b, wake: make(chan struct{}, 1)}
	r.client = remoting.NewClient(remoting.ClientConfig{
		Logger: b.log, DialTimeout: b.config().ConnectTimeout, IdleTimeout: b.config().ClientMaxIdle,
	})
	r.mu.changes = make(map[string]uint64)
	r.mu.servers = make(map[string]*nameserver)
	r.mu.ended = make(chan struct{})
	return r
}

// announce has changed topics sent to the nameservers.
func (r *registrar) announce(topics []string) {
	r.mu.Lock()
	r.mu.seq++
	for _, name := range topics {
		r.mu.changes[name] = r.mu.seq
	}
	r.mu.Unlock()
	r.signal()
}

// announceAll has all topics sent to the nameservers.
func (r *registrar) announceAll() {
	r.mu.Lock()
	r.mu.seq++
	r.mu.all = r.mu.seq
	r.mu.Unlock()
	r.signal()
}

func (r *registrar) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// settle waits until the nameservers that answer at all have the changes made so
// far, or for settleLimit.
func (r *registrar) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	r.mu.Lock()
	want := r.mu.seq
	for {
		waiting := false
		for _, ns := range r.mu.servers {
			waiting = waiting || ns.tried < want && ns.failures == 0
		}
		ended := r.mu.ended
		r.mu.Unlock()
		if !waiting {
			return
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
	}
}

// run calls the nameservers until ctx ends.
func (r *registrar) run(ctx context.Context) error {
	calls := run.NewGroup(ctx)
	ticker := time.NewTicker(registerTick)
	defer ticker.Stop()
	for {
		for _, job := range r.due() {
			calls.Go("register with "+job.addr, func(ctx context.Context) error { r.call(ctx, job); return nil })
		}
		select {
		case <-ctx.Done():
			return errors.Join(calls.Wait(), ctx.Err())
		case <-ticker.C:
		case <-r.wake:
		}
	}
}

// job is one call to a nameserver.
type job struct {
	ns      *nameserver
	addr    string
	version protocol.DataVersion // that the nameserver got last
	ask     bool                 // whether the nameserver still has it may be enough
	upTo    uint64               // changes that it covers
	topics  []string             // nil: all
}

// due gives the calls to make now and marks their nameservers as busy.
func (r *registrar) due() (jobs []job) {
	now, addrs := r.b.now(), r.b.config().NamesrvAddrs()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.left {
		return nil
	}
	wanted := make(map[string]bool, len(addrs))
	for _, addr := range addrs {
		wanted[addr] = true
		if r.mu.servers[addr] == nil {
			r.mu.servers[addr] = &nameserver{next: now}
		}
	}
	for addr, ns := range r.mu.servers {
		if ns.busy {
			continue
		}
		if !wanted[addr] {
			delete(r.mu.servers, addr)
			continue
		}
		all := ns.known && r.mu.all > ns.tried
		full := all || !now.Before(ns.next)
		j := job{ns: ns, addr: addr, version: ns.version, ask: full && ns.known && !all, upTo: r.mu.seq}
		if !full {
			j.topics = r.changedLocked(ns)
		}
		if full || len(j.topics) > 0 {
			ns.busy = true
			jobs = append(jobs, j)
		}
	}
	r.forgetLocked()
	return jobs
}

// changedLocked lists the topics that a nameserver lacks. One that is not known
// to have the others gets all in its turn.
func (r *registrar) changedLocked(ns *nameserver) (topics []string) {
	if !ns.known || ns.tried == r.mu.seq {
		return nil
	}
	for name, seq := range r.mu.changes {
		if seq > ns.tried {
			topics = append(topics, name)
		}
	}
	return topics
}

// forgetLocked drops changes that no nameserver lacks any more. Those that failed
// get all topics the next time.
func (r *registrar) forgetLocked() {
	oldest := r.mu.seq
	for _, ns := range r.mu.servers {
		if ns.known || ns.busy {
			oldest = min(oldest, ns.tried)
		}
	}
	for name, seq := range r.mu.changes {
		if seq <= oldest {
			delete(r.mu.changes, name)
		}
	}
}

// call registers with one nameserver and notes how it went.
func (r *registrar) call(ctx context.Context, j job) {
	version, err := r.register(ctx, j)
	changed := r.ended(j, version, err)
	r.signal() // for what has changed meanwhile
	switch {
	case err != nil && ctx.Err() == nil && changed:
		r.b.log.Warn("registration failed", "nameserver", j.addr, "error", err)
	case err == nil && changed:
		r.b.log.Info("registered", "nameserver", j.addr, "addr", r.b.Advertised())
	}
}

// ended notes the end of a call, and tells whether the nameserver went from
// reachable to unreachable or back.
func (r *registrar) ended(j job, version protocol.DataVersion, err error) (changed bool) {
	now, interval := r.b.now(), r.b.config().RegisterInterval()
	r.mu.Lock()
	defer r.mu.Unlock()
	ns := j.ns
	ns.busy, ns.tried = false, j.upTo
	if err != nil {
		changed = ns.failures == 0
		ns.known = false
		ns.next = now.Add(min(registerRetry<<min(ns.failures, 10), registerRetryMost))
		ns.failures++
	} else {
		changed = !ns.known
		ns.known, ns.failures, ns.version = true, 0, version
		if j.topics == nil {
			ns.rounds++
			ns.next = now.Add(interval)
			if ns.rounds == 1 {
				ns.next = now.Add(secondRegistration)
			}
		}
	}
	close(r.mu.ended)
	r.mu.ended = make(chan struct{})
	return changed
}

// leave takes the broker out of the routes of all nameservers and closes the
// connections to them.
func (r *registrar) leave(ctx context.Context) error {
	cfg := r.b.config()
	header := &protocol.UnregisterBrokerRequest{
		BrokerName: cfg.BrokerName, BrokerAddr: r.b.Advertised(), ClusterName: cfg.BrokerClusterName, BrokerID: cfg.BrokerID,
	}
	calls := run.NewGroup(ctx)
	for _, addr := range r.closing() {
		calls.Go("unregister from "+addr, func(ctx context.Context) error {
			answer, err := r.client.Invoke(ctx, addr, &remoting.Command{
				Code: int32(protocol.ReqUnregisterBroker), Version: protocol.Version,
				Ext: remoting.AppendHeader(nil, header, false),
			})
			if err = errors.Join(err, answerErr(answer)); err != nil {
				r.b.log.Warn("the broker stays in the routes until it expires", "nameserver", addr, "error", err)
			}
			return nil
		})
	}
	err := calls.Wait()
	r.client.Close()
	if err != nil {
		return fmt.Errorf("unregister: %w", err)
	}
	return nil
}

// closing ends the registrations and lists the nameservers that have the broker in
// their routes.
func (r *registrar) closing() (addrs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.left = true
	for addr, ns := range r.mu.servers {
		if ns.rounds > 0 || ns.busy {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}
