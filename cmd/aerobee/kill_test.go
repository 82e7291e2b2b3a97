package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/admin"
)

// killRounds is how often TestKilledServerLosesNothing kills each server;
// AEROBEE_KILL_ROUNDS sets more, and AEROBEE_KILL_SEED the moments.
func killRounds(t *testing.T) (rounds int, r *rand.Rand) {
	number := func(name string, n uint64) uint64 {
		v := os.Getenv(name)
		if v == "" {
			return n
		}
		n, err := strconv.ParseUint(v, 10, 64)
		require.NoError(t, err)
		return n
	}
	seed := number("AEROBEE_KILL_SEED", uint64(time.Now().UnixNano()))
	t.Logf("AEROBEE_KILL_SEED=%d", seed)
	return int(number("AEROBEE_KILL_ROUNDS", 2)), rand.New(rand.NewPCG(seed, 1))
}

// sentMessage is a line of the ledger: a message whose send was acknowledged.
type sentMessage struct {
	body, key string
	result    client.SendResult
}

// victim is a server that is killed, and what its producers know.
type victim struct {
	t      *testing.T
	r      *rand.Rand
	args   []string
	sent   [killQueues]int // by producer, which has a queue of its own
	mu     sync.Mutex
	ledger [killQueues][]sentMessage
}

const killQueues = 3

// TestKilledServerLosesNothing kills a server with SIGKILL while it is written to,
// and while it starts: all that was acknowledged is there, in either flush mode.
func TestKilledServerLosesNothing(t *testing.T) {
	rounds, r := killRounds(t)
	for _, flush := range []string{"sync", "async"} {
		dir := t.TempDir()
		conf := filepath.Join(dir, "broker.conf")
		require.NoError(t, os.WriteFile(conf, []byte(
			"mappedFileSizeCommitLog=1048576\nmappedFileSizeConsumeQueue=6000\nmaxHashSlotNum=500\nmaxIndexNum=2000\n"), 0o644))
		args := []string{"server", "--data", filepath.Join(dir, "data"), "--flush", flush, "--config", conf}
		v := &victim{t: t, r: r, args: append(args, anyPorts...)}
		for range rounds {
			v.round()
		}
		cmd, ready := start(t, v.args...)
		v.check(ready["namesrv"])
		stop(t, cmd)
	}
}

// round checks the server, writes to it, kills it, and kills some starts.
func (v *victim) round() {
	cmd, ready := start(v.t, v.args...)
	ns := ready["namesrv"]
	if v.sent[0] == 0 {
		out, err := aerobee(v.t, "admin", "updateTopic", "-n", ns, "-c", "DefaultCluster", "-t", "T", "-r", fmt.Sprint(killQueues), "-w", fmt.Sprint(killQueues)).CombinedOutput()
		require.NoError(v.t, err, "%s", out)
	}
	v.check(ns)
	ctx, cancel := context.WithCancel(v.t.Context())
	var producers sync.WaitGroup
	for id := range killQueues {
		producers.Go(func() { v.produce(ctx, ns, id) })
	}
	<-time.After(time.Duration(50+v.r.IntN(700)) * time.Millisecond)
	require.NoError(v.t, cmd.Process.Kill())
	require.Error(v.t, cmd.Wait())
	cancel()
	producers.Wait()
	for range v.r.IntN(3) {
		cmd := aerobee(v.t, v.args...)
		require.NoError(v.t, cmd.Start())
		<-time.After(time.Duration(v.r.IntN(60)) * time.Millisecond)
		require.NoError(v.t, cmd.Process.Kill())
		require.Error(v.t, cmd.Wait())
	}
}

// produce sends to one queue until ctx ends or the server is gone.
func (v *victim) produce(ctx context.Context, ns string, id int) {
	p, err := client.NewProducer(ctx, "killers", client.WithNameservers(ns), client.WithRetries(0), client.WithSendTimeout(5*time.Second))
	if err != nil {
		v.t.Error(err)
		return
	}
	defer p.Close()
	to := &client.Queue{Topic: "T", Broker: "broker-a", ID: int32(id)}
	for {
		v.sent[id]++
		m := sentMessage{body: fmt.Sprintf("%d/%d", id, v.sent[id]), key: fmt.Sprintf("k%d-%d", id, v.sent[id])}
		m.result, err = p.Send(ctx, &client.Message{Topic: "T", Body: []byte(m.body), Keys: []string{m.key}, To: to})
		if err != nil {
			return // it may be stored or not
		}
		v.mu.Lock()
		v.ledger[id] = append(v.ledger[id], m)
		v.mu.Unlock()
	}
}

// check compares what the server has with the ledger.
func (v *victim) check(ns string) {
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	a, err := admin.New(admin.WithNameservers(ns))
	require.NoError(v.t, err)
	defer a.Close()
	status, err := a.TopicStatus(ctx, "T", "")
	require.NoError(v.t, err)
	c, err := client.NewPullConsumer(ctx, "checkers", client.WithNameservers(ns))
	require.NoError(v.t, err)
	defer c.Close()
	for _, q := range status.Queues {
		committed, found, err := c.Committed(ctx, q.Queue)
		require.NoError(v.t, err)
		if found {
			require.LessOrEqual(v.t, committed, q.Max, "committed beyond the end")
		}
		got := v.read(ctx, c, q)
		ledger := v.ledger[q.ID]
		for i, m := range ledger {
			require.Equal(v.t, m.body, got[m.result.Offset], "%v offset %d of %d", q.Queue, m.result.Offset, q.Max)
			if i%97 == 0 || i == len(ledger)-1 {
				v.lookUp(ctx, a, m)
			}
		}
	}
	require.NoError(v.t, c.Commit(ctx))
}

// read reads a queue from end to end: bodies are in order and there once.
func (v *victim) read(ctx context.Context, c *client.PullConsumer, q admin.QueueStatus) []string {
	if q.Max == 0 {
		return nil
	}
	require.NoError(v.t, c.Add(ctx, client.AtBegin(), q.Queue))
	require.NoError(v.t, c.Seek(ctx, q.Queue, client.AtBegin()))
	var got []string
	last := 0
	for int64(len(got)) < q.Max {
		batch, err := c.Poll(ctx)
		require.NoError(v.t, err)
		for _, m := range batch {
			if m.Queue != q.Queue {
				continue
			}
			require.EqualValues(v.t, len(got), m.Offset)
			var id, n int
			_, err := fmt.Sscanf(string(m.Body), "%d/%d", &id, &n)
			require.NoError(v.t, err)
			require.EqualValues(v.t, q.ID, id)
			require.Greater(v.t, n, last, "%v offset %d is out of order or there twice", q.Queue, m.Offset)
			last = n
			got = append(got, string(m.Body))
		}
	}
	return got
}

func (v *victim) lookUp(ctx context.Context, a *admin.Client, m sentMessage) {
	found, err := a.MessagesByKey(ctx, admin.KeyQuery{Topic: "T", Key: m.key})
	require.NoError(v.t, err, "key %s", m.key)
	require.Len(v.t, found, 1, "key %s", m.key)
	require.Equal(v.t, m.result.Offset, found[0].Offset)
	found, err = a.MessagesByUniqueKey(ctx, admin.KeyQuery{Topic: "T", Key: m.result.ID})
	require.NoError(v.t, err, "id %s", m.result.ID)
	require.Len(v.t, found, 1, "id %s", m.result.ID)
}
