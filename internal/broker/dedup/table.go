package dedup

import (
	"hash/maphash"
	"sync"
	"time"
)

// Bounds of the requests that are held while an earlier copy is under way. A
// request beyond them is refused; its client repeats it.
const (
	MaxHeld      = 4096
	MaxHeldBytes = 8 << 20
)

// Generations: a new one begins when the newest covers a quarter of the window, or
// holds a sixteenth of all entries.
const (
	timeParts  = 4
	countParts = 16
)

// Key is the hash of a topic and an ID.
type Key uint64

// Verdict says what to do with a message.
type Verdict uint8

// The verdicts.
const (
	First Verdict = iota // store it, then call Stored or Failed
	Known                // all its messages seem to be stored: compare
	Held                 // an earlier copy is under way; see Begin
	Full                 // it should be held, but too many are
)

// Request is a message, or a batch, that is about to be stored.
type Request struct {
	Topic string
	Keys  []Key // of each message
	Now   int64 // ms
	// Again stores the message whatever the table knows: that was compared, and is
	// about another message.
	Again bool
	// Owner is given back when the request was held; Bytes is what it holds.
	Owner any
	Bytes int
}

// Table is the memory of a broker. See New.
type Table struct {
	seed maphash.Seed
	max  int

	mu      sync.Mutex
	topics  map[string]*topic
	flights map[Key]*flight
	entries int
	held    int
	bytes   int // of the held requests
	dropped int64
}

// topic is what is known of a topic.
type topic struct {
	generations []generation // oldest first
	suppressed  int64
}

// generation has the places of messages stored from begin to the next one's begin.
type generation struct {
	begin  int64 // ms
	window int64 // ms, that the topic had
	places map[Key]int64
}

// flight is a message on its way into the log, with its later copies.
type flight struct {
	waiting []Request
}

// New makes an empty table of at most so many entries.
func New(entries int) *Table {
	return &Table{
		seed: maphash.MakeSeed(), max: max(entries, 1),
		topics: make(map[string]*topic), flights: make(map[Key]*flight),
	}
}

// KeyOf is the key of a message of a topic.
func (t *Table) KeyOf(topic string, id ID) Key {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, s := range [...]string{topic, id.Name, id.Value} {
		maphash.WriteComparable(&h, len(s))
		_, _ = h.WriteString(s)
	}
	return Key(h.Sum64())
}

// Begin decides about a request. After Known, places has the physical offset of
// the first copy of each of its messages. After Held, the request's Owner is
// returned by the Stored or Failed of the earlier copy, and begins anew.
func (t *Table) Begin(r Request, places []int64) (Verdict, []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range r.Keys {
		if f := t.flights[k]; f != nil {
			return t.holdLocked(f, r), places
		}
	}
	if !r.Again {
		if places, ok := t.placesLocked(r, places); ok {
			return Known, places
		}
	}
	f := &flight{}
	for _, k := range r.Keys {
		t.flights[k] = f
	}
	return First, places
}

func (t *Table) holdLocked(f *flight, r Request) Verdict {
	if t.held >= MaxHeld || t.bytes+r.Bytes > MaxHeldBytes {
		return Full
	}
	t.held++
	t.bytes += r.Bytes
	f.waiting = append(f.waiting, r)
	return Held
}

// placesLocked appends the places of all messages; ok is false if one is unknown.
func (t *Table) placesLocked(r Request, places []int64) (_ []int64, ok bool) {
	known := t.topics[r.Topic]
	if known == nil {
		return places, false
	}
	t.expireLocked(known, r.Now)
	for _, k := range r.Keys {
		place, ok := known.place(k)
		if !ok {
			return places, false
		}
		places = append(places, place)
	}
	return places, true
}

// place is the newest place of a key.
func (k *topic) place(key Key) (int64, bool) {
	for i := len(k.generations) - 1; i >= 0; i-- {
		if place, ok := k.generations[i].places[key]; ok {
			return place, true
		}
	}
	return 0, false
}

// Stored tells that the first copy is in the log: each message at its place, at a
// store time in ms. It returns the owners of the requests that waited for it.
func (t *Table) Stored(topic string, window time.Duration, keys []Key, places []int64, at int64) []any {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range keys {
		if i < len(places) {
			t.rememberLocked(topic, window, k, places[i], at)
		}
	}
	return t.landLocked(keys)
}

// Failed tells that the first copy was not stored. It returns the owners of the
// requests that waited for it.
func (t *Table) Failed(keys []Key) []any {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.landLocked(keys)
}

func (t *Table) landLocked(keys []Key) (owners []any) {
	for _, k := range keys {
		f := t.flights[k]
		if f == nil {
			continue // twice in one batch
		}
		delete(t.flights, k)
		for _, r := range f.waiting {
			owners = append(owners, r.Owner)
			t.held--
			t.bytes -= r.Bytes
		}
		f.waiting = nil
	}
	return owners
}

// Remember enters a message that was found in the log. One that is older than what
// was entered before is kept longer than need be.
func (t *Table) Remember(topic string, window time.Duration, key Key, place, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rememberLocked(topic, window, key, place, at)
}

func (t *Table) rememberLocked(name string, window time.Duration, key Key, place, at int64) {
	known := t.topics[name]
	if known == nil {
		known = &topic{}
		t.topics[name] = known
	}
	t.expireLocked(known, at)
	ms := window.Milliseconds()
	n := len(known.generations)
	if n == 0 || known.generations[n-1].isFull(ms, at, t.max) {
		known.generations = append(known.generations, generation{begin: at, window: ms, places: make(map[Key]int64)})
		n++
	}
	newest := known.generations[n-1].places
	before := len(newest)
	newest[key] = place
	t.entries += len(newest) - before
	for t.entries > t.max {
		t.dropOldestLocked()
	}
}

// isFull tells whether the next entry belongs to a new generation.
func (g *generation) isFull(window, at int64, most int) bool {
	return g.window != window || at-g.begin >= max(window/timeParts, 1) || len(g.places) >= max(most/countParts, 1)
}

// expireLocked forgets the generations of a topic that are too old at a time in ms.
func (t *Table) expireLocked(k *topic, now int64) {
	old := 0
	for old < len(k.generations) && k.end(old)+k.generations[old].window < now {
		t.entries -= len(k.generations[old].places)
		old++
	}
	k.drop(old)
}

// end is the time up to which a generation has messages.
func (k *topic) end(i int) int64 {
	if i+1 < len(k.generations) {
		return k.generations[i+1].begin
	}
	g := &k.generations[i]
	return g.begin + g.window/timeParts
}

// drop forgets the n oldest generations.
func (k *topic) drop(n int) {
	if n > 0 {
		rest := copy(k.generations, k.generations[n:])
		clear(k.generations[rest:])
		k.generations = k.generations[:rest]
	}
}

// dropOldestLocked makes room: the oldest generation of all goes.
func (t *Table) dropOldestLocked() {
	var oldest *topic
	for _, k := range t.topics {
		if len(k.generations) > 0 && (oldest == nil || k.generations[0].begin < oldest.generations[0].begin) {
			oldest = k
		}
	}
	n := len(oldest.generations[0].places)
	t.entries -= n
	t.dropped += int64(n)
	oldest.drop(1)
}
