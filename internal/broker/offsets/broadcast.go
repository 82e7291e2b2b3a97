package offsets

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Broadcast settings fixed by Java.
const (
	broadcastScan  = 5 * time.Second // how often the offsets of the clients are merged
	maxBroadcasted = 1 << 20         // clients of all groups and topics
	pseudoGroup    = Separator + "broadcast"
)

// BroadcastConfig connects a Broadcast to what it needs. All functions are
// required and may be called from any goroutine.
type BroadcastConfig struct {
	Offsets *Table
	// Online tells whether a client of the group is connected.
	Online func(group, client string) bool
	// Start answers where a client without any offset begins: 0 while the first
	// message of the queue is there, else its end.
	Start func(topic string, queue int32) int64
	// OfflineExpiry and IdleExpiry are how long a client's offsets are kept after
	// its last pull when it is not, or is, connected (broadcastOffsetExpireSecond
	// 120, broadcastOffsetExpireMaxSecond 300).
	OfflineExpiry, IdleExpiry func() time.Duration
	Now                       func() time.Time // time.Now when nil
}

// Broadcast remembers how far each client of a broadcasting group has pulled, so
// that a client that changes between a proxy and a direct connection goes on
// where it was. Clients that stay on one kind keep their offsets themselves.
type Broadcast struct {
	cfg BroadcastConfig
	mu  struct {
		sync.Mutex
		groups  map[Pair]map[string]*receiver // by client
		clients int
	}
}

type receiver struct {
	last      time.Time
	fromProxy bool
	offsets   map[int32]int64
}

// NewBroadcast returns an empty table.
func NewBroadcast(cfg BroadcastConfig) *Broadcast {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	b := &Broadcast{cfg: cfg}
	b.mu.groups = make(map[Pair]map[string]*receiver)
	return b
}

// receiverLocked returns the record of a client, made when missing; nil when
// there are too many. The strings are copied.
func (b *Broadcast) receiverLocked(group, topic, client string, fromProxy bool) *receiver {
	k := Pair{group, topic}
	if r := b.mu.groups[k][client]; r != nil {
		return r
	}
	if b.mu.clients >= maxBroadcasted {
		return nil
	}
	clients := b.mu.groups[k]
	if clients == nil {
		clients = make(map[string]*receiver)
		b.mu.groups[Pair{strings.Clone(group), strings.Clone(topic)}] = clients
	}
	b.mu.clients++
	r := &receiver{last: b.cfg.Now(), fromProxy: fromProxy, offsets: make(map[int32]int64)}
	clients[strings.Clone(client)] = r
	return r
}

// Pulled notes that a client has pulled from offset. Offsets only grow.
func (b *Broadcast) Pulled(group, topic string, queue int32, client string, offset int64, fromProxy bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.receiverLocked(group, topic, client, fromProxy)
	if r == nil {
		return
	}
	r.last, r.fromProxy = b.cfg.Now(), fromProxy
	if old, ok := r.offsets[queue]; ok || len(r.offsets) < MaxQueues {
		if !ok || offset > old {
			r.offsets[queue] = offset
		}
	}
}

// Init answers where a client shall begin instead of at the offset it asked for;
// ok is false when the request stands.
func (b *Broadcast) Init(group, topic string, queue int32, client string, asked int64, fromProxy bool) (offset int64, ok bool) {
	b.mu.Lock()
	if b.mu.groups[Pair{group, topic}] == nil {
		b.mu.Unlock()
		if fromProxy && asked < 0 {
			return b.initial(group, topic, queue), true
		}
		return none, false
	}
	r := b.receiverLocked(group, topic, client, fromProxy)
	if r == nil || ((!r.fromProxy || asked >= 0) && r.fromProxy == fromProxy) {
		b.mu.Unlock()
		return none, false
	}
	offset, known := r.offsets[queue]
	b.mu.Unlock()
	if known && offset >= 0 {
		return offset, true
	}
	return b.initial(group, topic, queue), true
}

func (b *Broadcast) initial(group, topic string, queue int32) int64 {
	if offset, ok := b.cfg.Offsets.Query(group+pseudoGroup, topic, queue); ok {
		return offset
	}
	return b.cfg.Start(topic, queue)
}

// Scan forgets clients that went away and commits the lowest offset of the
// others for the pseudo group, where a new client of a proxy begins.
func (b *Broadcast) Scan() {
	now := b.cfg.Now()
	for _, k := range b.keys() {
		for queue, offset := range b.scan(k, now) {
			// Beyond the table's limits a new client begins at Start instead.
			_ = b.cfg.Offsets.Commit(k.Group+pseudoGroup, k.Topic, queue, offset)
		}
	}
}

func (b *Broadcast) keys() []Pair {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := make([]Pair, 0, len(b.mu.groups))
	for k := range b.mu.groups {
		keys = append(keys, k)
	}
	return keys
}

func (b *Broadcast) scan(k Pair, now time.Time) map[int32]int64 {
	online := b.online(k)
	lowest := map[int32]int64{}
	offline, idle := b.cfg.OfflineExpiry(), b.cfg.IdleExpiry()
	b.mu.Lock()
	defer b.mu.Unlock()
	clients := b.mu.groups[k]
	for client, r := range clients {
		silent := now.Sub(r.last)
		if online[client] || silent < offline {
			for queue, offset := range r.offsets {
				if low, ok := lowest[queue]; !ok || offset < low {
					lowest[queue] = offset
				}
			}
		}
		if (online[client] && silent >= idle) || (!online[client] && silent >= offline) {
			delete(clients, client)
			b.mu.clients--
		}
	}
	if len(clients) == 0 {
		delete(b.mu.groups, k)
	}
	return lowest
}

// online asks which clients are connected, without the lock.
func (b *Broadcast) online(k Pair) map[string]bool {
	b.mu.Lock()
	online := make(map[string]bool, len(b.mu.groups[k]))
	for client := range b.mu.groups[k] {
		online[client] = false
	}
	b.mu.Unlock()
	for client := range online {
		online[client] = b.cfg.Online(k.Group, client)
	}
	return online
}

// Run scans every 5 s until ctx ends.
func (b *Broadcast) Run(ctx context.Context) error {
	ticker := time.NewTicker(broadcastScan)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			b.Scan()
		}
	}
}
