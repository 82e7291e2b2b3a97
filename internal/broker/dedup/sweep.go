package dedup

// Suppressed counts messages of a topic that were not stored again.
func (t *Table) Suppressed(name string, messages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.topics[name]; k != nil {
		k.suppressed += int64(messages)
	}
}

// Sweep forgets what is too old at a time in ms, and all of the topics that no
// longer take part.
func (t *Table) Sweep(now int64, takesPart func(topic string) bool) {
	t.mu.Lock()
	names := make([]string, 0, len(t.topics))
	for name, k := range t.topics {
		t.expireLocked(k, now)
		names = append(names, name)
	}
	t.mu.Unlock()
	for _, name := range names {
		if !takesPart(name) {
			t.Forget(name)
		}
	}
}

// Forget forgets a topic.
func (t *Table) Forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.topics[name]; k != nil {
		for _, g := range k.generations {
			t.entries -= len(g.places)
		}
		delete(t.topics, name)
	}
}

// Stats are the figures of a table.
type Stats struct {
	Entries    int
	Held       int              // requests
	Dropped    int64            // entries that were forgotten before their time
	Suppressed map[string]int64 // messages, by topic
}

// Stats returns the figures of this moment.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Stats{Entries: t.entries, Held: t.held, Dropped: t.dropped, Suppressed: make(map[string]int64, len(t.topics))}
	for name, k := range t.topics {
		s.Suppressed[name] = k.suppressed
	}
	return s
}
