package store

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
)

// quietly runs f without failing calls.
func (m *model) quietly(f func()) {
	fault, group := m.disk.fault, m.group
	m.disk.fault, m.group = nil, nil
	f()
	m.disk.fault, m.group = fault, group
}

// look compares a running store with the model.
func (m *model) look() {
	if m.s.fenced.Load() == nil {
		m.compare(false, false)
	}
}

// peek is a reader that comes while a group is being written: nothing of the group
// may be seen, whichever way it looks.
func (m *model) peek() {
	group := m.group
	m.quietly(func() {
		end := m.s.LogMax()
		if m.cfg.Flush == FlushSync {
			require.LessOrEqual(m.t, end, m.s.Flushed())
		}
		_, err := m.s.Record(end, nil)
		require.Error(m.t, err)
		for _, p := range group {
			batch := p.Owner.([]*sent)
			k := batch[0].key
			next := m.ledger(k).next
			require.Equal(m.t, next, m.s.MaxOffset(k.topic, k.id), "%v shows what is being written", k)
			r, data := m.s.Get(GetRequest{Topic: k.topic, QueueID: k.id, Offset: next, MaxMsgs: 32}, nil)
			require.NotEqual(m.t, Found, r.Status)
			require.Empty(m.t, data)
			require.Empty(m.t, m.s.Units(k.topic, k.id, next, 1))
			require.Equal(m.t, next, m.s.OffsetByTime(k.topic, k.id, 1<<60, false))
			_, ok := m.s.StoreTimeAt(k.topic, k.id, next)
			require.False(m.t, ok)
			for _, x := range batch {
				for _, phy := range m.lookUp(x) {
					require.Less(m.t, phy, end, "found by key")
				}
			}
		}
	})
}

func (m *model) lookUp(x *sent) []int64 {
	return m.s.QueryIndex(x.key.topic, "k"+strings.TrimLeft(x.body, "b"), 64, 0, 1<<60)
}

// compare checks everything that can be read. After a crash records that were not
// durable may be missing from some point of the log on, and ones that were written
// and never acknowledged may be there. After a start all that is there is durable.
func (m *model) compare(crashed, started bool) {
	m.quietly(func() {
		if m.cfg.Flush == FlushSync || started {
			require.Equal(m.t, m.s.LogMax(), m.s.Flushed(), "shown before it is durable")
		}
		m.logMin = m.s.LogMin()
		present := m.walk(crashed)
		m.findLost(present, crashed)
		shown := make(map[*sent]bool)
		for _, k := range m.keys() {
			m.compareQueue(k, present, shown)
		}
		for x, rec := range present {
			if x.queued() && x.deleted == no {
				require.True(m.t, shown[x], "%v: the record at %d, offset %d, is not in its queue", x.key, rec.phy, rec.offset)
			}
			x.phy, x.time, x.offset = rec.phy, rec.time, rec.offset
			x.durable = x.durable || started
		}
		m.compareIndex(present)
	})
}

// found is where a message is in the log.
type found struct{ phy, offset, time int64 }

// walk reads the log from end to end.
func (m *model) walk(crashed bool) map[*sent]found {
	present := make(map[*sent]found)
	var last int64
	for at, end := m.s.LogMin(), m.s.LogMax(); at < end; {
		rec, err := m.s.Record(at, nil)
		if err != nil { // the file is closed here
			at += m.cfg.CommitLogFileSize - at%m.cfg.CommitLogFileSize
			continue
		}
		g, err := message.Verify(rec, m.s.record)
		require.NoError(m.t, err)
		x := m.tried[string(g.Body)]
		require.NotNil(m.t, x, "record at %d was never put", at)
		require.Equal(m.t, x.key, queueKey{g.Topic, g.QueueID})
		require.True(m.t, x.time > 0 || crashed, "record at %d was refused", at)
		_, twice := present[x]
		require.False(m.t, twice, "record at %d is there twice", at)
		require.GreaterOrEqual(m.t, g.StoreTimestamp, last, "store time at %d", at)
		require.Equal(m.t, at, g.PhysicalOffset)
		last = g.StoreTimestamp
		present[x] = found{at, g.QueueOffset, g.StoreTimestamp}
		at += int64(len(rec))
	}
	m.logTime = max(m.logTime, last)
	return present
}

// findLost checks that what is not in the log may be missing.
func (m *model) findLost(present map[*sent]found, crashed bool) {
	for _, x := range m.tried {
		rec, ok := present[x]
		if x.time == 0 || x.phy < m.logMin && !ok {
			continue
		}
		if ok {
			require.Equal(m.t, x.phy, rec.phy)
			require.Equal(m.t, x.time, rec.time)
			continue
		}
		require.True(m.t, crashed, "%v lost the record at %d without a crash", x.key, x.phy)
		require.False(m.t, x.durable, "%v lost the durable record at %d, offset %d; the log ends at %d", x.key, x.phy, x.offset, m.s.LogMax())
		require.GreaterOrEqual(m.t, x.phy, m.s.LogMax(), "%v lost a record before the end", x.key)
		x.time = 0
	}
	if crashed {
		m.logTime = 0
		for _, x := range m.tried {
			if rec, ok := present[x]; ok {
				m.logTime = max(m.logTime, rec.time)
			} else if x.time > 0 {
				m.logTime = max(m.logTime, x.time)
			}
		}
	}
}

// keys are the queues that the model or the store knows.
func (m *model) keys() []queueKey {
	topics, err := m.s.Topics()
	require.NoError(m.t, err)
	for _, topic := range topics {
		for _, id := range m.s.Queues(topic) {
			m.ledger(queueKey{topic, id})
		}
	}
	var keys []queueKey
	for _, topic := range modelTopics {
		for id := range int32(2) {
			if k := (queueKey{topic, id}); m.queues[k] != nil {
				keys = append(keys, k)
			}
		}
	}
	require.Len(m.t, m.queues, len(keys), "queues that nobody made")
	return keys
}

// compareQueue reads a queue from end to end.
func (m *model) compareQueue(k queueKey, present map[*sent]found, shown map[*sent]bool) {
	l := m.ledger(k)
	next := l.floor
	for off, x := range l.at {
		if _, ok := present[x]; ok || x.time > 0 {
			next = max(next, off+1)
		}
	}
	for x, rec := range present {
		if x.key == k && x.queued() && x.deleted == no {
			next = max(next, rec.offset+1)
		}
	}
	lo, hi := m.s.MinOffset(k.topic, k.id), m.s.MaxOffset(k.topic, k.id)
	if !m.loose[k.topic] {
		require.Equal(m.t, next, hi, "%v: the next offset", k)
	}
	l.next, l.floor, l.at = hi, lo, make(map[int64]*sent)
	for lo < hi {
		r, data := m.s.Get(GetRequest{Topic: k.topic, QueueID: k.id, Offset: lo, MaxMsgs: 32}, nil)
		require.Equal(m.t, Found, r.Status, "%v offset %d max %d", k, lo, hi)
		for len(data) > 0 {
			g, err := message.Verify(data, m.s.record)
			require.NoError(m.t, err)
			require.Equal(m.t, lo, g.QueueOffset, "%v", k)
			x := m.tried[string(g.Body)]
			require.NotNil(m.t, x)
			require.Equal(m.t, k, x.key)
			require.NotEqual(m.t, yes, x.deleted, "%v offset %d came back", k, lo)
			rec, ok := present[x]
			require.True(m.t, ok, "%v offset %d is not in the log", k, lo)
			require.False(m.t, shown[x], "%v offset %d is there twice", k, lo)
			n, _, _ := message.Size(data)
			want := Unit{Phy: rec.phy, Size: n, TagsCode: TagsCode(x.tag)}
			if x.delay > 0 {
				want.TagsCode = rec.time + x.delay
			}
			require.Equal(m.t, []Unit{want}, m.s.Units(k.topic, k.id, lo, 1))
			shown[x], l.at[lo], x.deleted = true, x, no
			data = data[n:]
			lo++
		}
	}
}

// compareIndex looks some messages up by key.
func (m *model) compareIndex(present map[*sent]found) {
	if m.s.index == nil || m.s.index.Off() { // after a failed call; the next start completes it
		return
	}
	for n := range m.serials {
		if m.r.IntN(10) > 0 {
			continue
		}
		x := m.serials[n]
		rec, ok := present[x]
		if !ok {
			continue
		}
		hits := m.lookUp(x)
		if x.kind != message.FlagTransactionUndo {
			require.Contains(m.t, hits, rec.phy, "%v: the record at %d is not in the index", x.key, rec.phy)
		}
		for _, phy := range hits {
			require.Less(m.t, phy, m.s.LogMax())
		}
	}
}
