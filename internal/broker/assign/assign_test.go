package assign

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

func queues(brokers ...int) (qs []protocol.MessageQueue) {
	for b, n := range brokers {
		for i := range n {
			qs = append(qs, protocol.MessageQueue{Topic: "t", BrokerName: fmt.Sprintf("b%d", b), QueueID: int32(i)})
		}
	}
	return qs
}

// ids lists queues as "broker/queue".
func ids(qs []protocol.MessageQueue) []string {
	out := []string{}
	for _, q := range qs {
		out = append(out, fmt.Sprintf("%s/%d", q.BrokerName, q.QueueID))
	}
	return out
}

func TestParts(t *testing.T) {
	pull, pop := protocol.RequestPull, protocol.RequestPop
	check := func(s Share, want ...string) {
		t.Helper()
		part, ok := Divide(s)
		require.True(t, ok)
		require.Equal(t, append([]string{}, want...), ids(part))
	}
	three := []string{"c", "a", "b"}
	avg, circle := protocol.StrategyAverage, protocol.StrategyAverageByCircle
	check(Share{"a", three, queues(4), avg, pull, 0}, "b0/0", "b0/1")
	check(Share{"b", three, queues(4), avg, pull, 0}, "b0/2")
	check(Share{"c", three, queues(4), avg, pull, 0}, "b0/3")
	check(Share{"a", three, queues(4), circle, pull, 0}, "b0/0", "b0/3")
	check(Share{"c", three, queues(2), avg, pull, 0})
	check(Share{"x", three, queues(2), avg, pull, 0})
	check(Share{"a", three, queues(2, 1), avg, pop, -1}, "b0/-1", "b1/-1")
	check(Share{"x", three, queues(2, 1), avg, pop, 2}, "b0/-1", "b1/-1")
	check(Share{"a", three, queues(4), avg, pop, 1}, "b0/0", "b0/1", "b0/2")
	check(Share{"c", three, queues(4), avg, pop, 1}, "b0/0", "b0/1", "b0/3")
	check(Share{"c", three, queues(2), avg, pop, 1}, "b0/0") // more clients than queues
	for _, s := range []Share{
		{"a", three, queues(4), "MACHINE_ROOM", pull, 0},
		{" ", three, queues(4), avg, pull, 0},
		{"a", nil, queues(4), avg, pull, 0},
		{"a", three, nil, circle, pull, 0},
	} {
		_, ok := Divide(s)
		require.False(t, ok, "%+v", s)
	}
}

// TestPartsCoverAllQueues: whatever the numbers, pulling clients get everything
// once, and popping ones everything at least once.
func TestPartsCoverAllQueues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := queues(rapid.IntRange(1, 9).Draw(t, "queues"), rapid.IntRange(0, 9).Draw(t, "more"))
		var clients []string
		for i := range rapid.IntRange(1, 8).Draw(t, "clients") {
			clients = append(clients, fmt.Sprint("c", i))
		}
		s := Share{
			Clients: clients, Queues: all, PopShare: rapid.Int32Range(-1, 9).Draw(t, "share"),
			Strategy: rapid.SampledFrom([]string{protocol.StrategyAverage, protocol.StrategyAverageByCircle}).Draw(t, "strategy"),
			Mode:     rapid.SampledFrom([]protocol.MessageRequestMode{protocol.RequestPull, protocol.RequestPop}).Draw(t, "mode"),
		}
		seen := map[string]int{}
		whole := map[string]bool{}
		for _, s.Client = range clients {
			part, ok := Divide(s)
			require.True(t, ok)
			require.True(t, slices.IsSortedFunc(part, compareQueues))
			for _, q := range part {
				whole[q.BrokerName] = whole[q.BrokerName] || q.QueueID == AnyQueue
				seen[ids([]protocol.MessageQueue{q})[0]]++
			}
		}
		for _, q := range all {
			n := seen[ids([]protocol.MessageQueue{q})[0]]
			if s.Mode == protocol.RequestPull {
				require.Equal(t, 1, n)
			} else {
				require.True(t, n >= 1 || whole[q.BrokerName])
			}
		}
	})
}

func open(t *testing.T, fs vfs.FS) *Modes {
	m, err := OpenModes(Config{FS: fs, Dir: "store", Log: slog.New(slog.DiscardHandler), Now: time.Now})
	require.NoError(t, err)
	return m
}

func TestModesSurvive(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("store/config"))
	m := open(t, fs)
	pop := Mode{Topic: "t", ConsumerGroup: "g", Mode: protocol.RequestPop, PopShareQueueNum: 3}
	require.NoError(t, m.Set(pop))
	require.NoError(t, m.Sync())
	m = open(t, fs.Crash(rand.New(rand.NewPCG(1, 2))))
	got, ok := m.Find("t", "g")
	require.True(t, ok)
	require.Equal(t, pop, got)
	pop.Mode = protocol.RequestPull
	require.NoError(t, m.Set(pop))
	require.NoError(t, m.Close())
}

func TestTheFileOfJava(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("store/config"))
	file, err := fs.Create("store/config/messageRequestMode.json")
	require.NoError(t, err)
	_, err = file.WriteAt([]byte(`{"messageRequestModeMap":{"t":{"g":{"consumerGroup":"g","mode":"POP","popShareQueueNum":2,"topic":"t"},"h":null}}}`), 0)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	m := open(t, fs)
	require.Equal(t, map[string]map[string]Mode{"t": {"g": {Topic: "t", ConsumerGroup: "g", Mode: protocol.RequestPop, PopShareQueueNum: 2}}}, m.All())
}

func TestTheTableIsBounded(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("store/config"))
	m := open(t, fs)
	m.max = 2
	for i := range 2 {
		require.NoError(t, m.Set(Mode{Topic: "t", ConsumerGroup: fmt.Sprint(i), Mode: protocol.RequestPop}))
	}
	require.EqualError(t, m.Set(Mode{Topic: "t", ConsumerGroup: "2"}), "the broker keeps 2 message request modes, at most 2 are allowed")
	require.NoError(t, m.Set(Mode{Topic: "t", ConsumerGroup: "1", Mode: protocol.RequestPull}), "a change needs no room")
}
