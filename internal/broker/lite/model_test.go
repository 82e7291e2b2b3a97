package lite

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestModel drives a service with random producers, clients that come, go, fall
// silent and fail to acknowledge, and a clock. Whatever happens, a pop begins where
// its group has committed and never while messages are out; and when all clients
// behave at last, every subscribed group has consumed everything.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { newModel(t, seed).run() }) {
			return
		}
	}
}

type model struct {
	*world
	r       *rand.Rand
	lites   []string
	groups  []string
	clients []Client
	out     map[orderKey]batchOf // what is out, as far as the model knows
}

type batchOf struct {
	batch
	c       Client
	visible time.Time // of all
	acked   map[int64]bool
}

func newModel(t testing.TB, seed uint64) *model {
	m := &model{world: newWorld(t), r: rand.New(rand.NewPCG(seed, 1)), out: map[orderKey]batchOf{}}
	m.Service.cfg.Rand = m.r.IntN
	m.limits.Subscriptions = 1 << 20
	m.lites = []string{"a", "b", "c", "d", "e", "f"}
	m.group("shared", func(r *Rules) { r.MaxEvents = 1 + m.r.IntN(4) })
	m.group("wild", func(r *Rules) { r.Wildcard, r.MaxEvents = true, 1+m.r.IntN(4) })
	m.groups = []string{"shared", "wild"}
	for _, g := range m.groups {
		for i := range 1 + m.r.IntN(3) {
			m.clients = append(m.clients, Client{g, fmt.Sprint(g, i)})
		}
	}
	return m
}

func (m *model) run() {
	for range 400 {
		m.step()
	}
	m.settle()
}

func (m *model) step() {
	c := m.clients[m.r.IntN(len(m.clients))]
	lite := m.lites[m.r.IntN(len(m.lites))]
	switch m.r.IntN(12) {
	case 0, 1, 2:
		m.send(lite, 1+m.r.IntN(3))
	case 3:
		m.join(c, lite)
	case 4:
		if m.r.IntN(3) == 0 {
			m.Drop(c)
		} else {
			m.Unsubscribe(c, queueOf(lite))
		}
	case 5, 6, 7:
		m.take(c)
	case 8, 9:
		m.ackSome(m.r.IntN(3) == 0)
	case 10:
		m.advance(time.Duration(m.r.IntN(3000)) * time.Millisecond)
		m.CheckClients(m.now)
	case 11:
		m.advance(time.Duration(m.r.IntN(40)) * time.Second)
		m.CheckClients(m.now)
		m.ExpireSubscriptions(m.now)
	}
}

func (m *model) join(c Client, lite string) {
	require.NoError(m.t, m.Touch(c, "p", nil, m.now))
	if m.rules[c.Group].Wildcard {
		m.ReplaceAll(c, m.now)
		return
	}
	require.NoError(m.t, m.Subscribe(c, queueOf(lite), m.ends[queueOf(lite)] > 0))
}

func (m *model) take(c Client) {
	invisible := time.Duration(1+m.r.IntN(5000)) * time.Millisecond
	for _, b := range m.pop(c, 1+m.r.IntN(5), invisible, "") {
		k := orderKey{c.Group, b.queue}
		require.Equal(m.t, m.committed[k], b.offsets[0], "L2")
		if was, ok := m.out[k]; ok && len(was.acked) < len(was.offsets) {
			require.False(m.t, m.now.Before(was.visible), "out until %v", was.visible)
		}
		m.out[k] = batchOf{b, c, m.now.Add(invisible), map[int64]bool{}}
	}
}

func (m *model) ackSome(all bool) {
	for _, g := range m.groups {
		for _, l := range m.lites {
			b, ok := m.out[orderKey{g, queueOf(l)}]
			if !ok {
				continue
			}
			for _, i := range m.r.Perm(len(b.offsets)) {
				offset := b.offsets[i]
				if !all && m.r.IntN(2) == 0 {
					continue
				}
				result := m.ack(b.c, b.batch, offset)
				require.NotEqual(m.t, Unknown, result)
				b.acked[offset] = true
			}
			first := b.offsets[0]
			for b.acked[first] {
				first++
			}
			require.Equal(m.t, first, m.committed[orderKey{g, queueOf(l)}], "L3")
		}
	}
}

// settle has all clients subscribe, pop and acknowledge until nothing is left.
func (m *model) settle() {
	for range 60 {
		for _, c := range m.clients {
			for _, l := range m.lites {
				m.join(c, l)
			}
			for range 4 {
				m.take(c)
				m.ackSome(true)
			}
		}
		m.advance(5 * time.Second)
		m.CheckClients(m.now)
	}
	for _, g := range m.groups {
		for _, l := range m.lites {
			require.Equal(m.t, m.ends[queueOf(l)], m.committed[orderKey{g, queueOf(l)}], "%s of %s is left", l, g)
		}
	}
	require.Empty(m.t, m.mu.orders.table)
	require.Empty(m.t, m.mu.orders.due)
}
