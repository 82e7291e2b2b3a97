package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

// nameserverDouble notes what brokers ask of it.
type nameserverDouble struct {
	addr    string
	changed atomic.Bool // answer to QUERY_DATA_VERSION
	failing atomic.Bool

	mu    sync.Mutex
	calls []registration
}

type registration struct {
	code   protocol.RequestCode
	header protocol.RegisterBrokerRequest
	topics []string
	body   protocol.RegisterBrokerBody
}

func newNameserver(t testing.TB) *nameserverDouble {
	n := &nameserverDouble{}
	server := remoting.NewServer(remoting.ServerConfig{Logger: slog.New(slog.DiscardHandler), Handler: n.serve})
	addr, err := server.Listen("127.0.0.1:0")
	require.NoError(t, err)
	n.addr = addr.String()
	g := run.NewGroup(context.Background())
	g.Go("nameserver", server.Serve)
	t.Cleanup(func() {
		server.Close()
		g.Cancel()
		if err := g.Wait(); err != nil && !errors.Is(err, net.ErrClosed) {
			panic(err)
		}
	})
	return n
}

func (n *nameserverDouble) serve(c *remoting.Call) error {
	if n.failing.Load() {
		return errors.New("not today")
	}
	r := registration{code: protocol.RequestCode(c.Code)}
	switch r.code {
	case protocol.ReqQueryDataVersion:
		c.Reply(remoting.Reply{Header: &protocol.QueryDataVersionResponse{Changed: n.changed.Load()}})
	case protocol.ReqRegisterBroker:
		if err := remoting.Bind(c.Ext, &r.header); err != nil {
			return err
		}
		if r.header.BodyCRC32 != int32(crc32.ChecksumIEEE(c.Body)&0x7fffffff) {
			return errors.New("crc32 not match")
		}
		if !r.header.Compressed {
			if err := javajson.Unmarshal(c.Body, &r.body); err != nil {
				return err
			}
			for name := range r.body.TopicConfigSerializeWrapper.TopicConfigTable {
				r.topics = append(r.topics, name)
			}
			slices.Sort(r.topics)
		}
		c.Reply(remoting.Reply{Header: &protocol.RegisterBrokerResponse{}, Body: []byte(`{"table":{"ordered":"broker-a:4"}}`)})
	default:
		topic, _ := c.Ext.Get("topic")
		r.topics = []string{strings.Clone(topic)}
		c.Reply(remoting.Reply{})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, r)
	return nil
}

// seen gives the calls of a kind so far.
func (n *nameserverDouble) seen(code protocol.RequestCode) (calls []registration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.calls {
		if c.code == code {
			calls = append(calls, c)
		}
	}
	return calls
}

// registered waits for the n-th registration, counted from 1.
func (n *nameserverDouble) registered(t testing.TB, count int) registration {
	eventually(t, "registration", func() bool { return len(n.seen(protocol.ReqRegisterBroker)) >= count })
	return n.seen(protocol.ReqRegisterBroker)[count-1]
}

func with(n *nameserverDouble, more ...string) func(*config.Broker) {
	return func(c *config.Broker) {
		c.NamesrvAddr = n.addr
		for _, addr := range more {
			c.NamesrvAddr += ";" + addr
		}
	}
}

// deadAddr is an address that nobody listens at.
func deadAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func TestRegistration(t *testing.T) {
	one, two := newNameserver(t), newNameserver(t)
	r := runRig(t, with(one, two.addr, deadAddr(t)))
	for _, n := range []*nameserverDouble{one, two} {
		first := n.registered(t, 1)
		require.Equal(t, "broker-a", first.header.BrokerName)
		require.Equal(t, r.Addr().String(), first.header.BrokerAddr)
		require.Equal(t, "DefaultCluster", first.header.ClusterName)
		require.Contains(t, first.topics, "TBW102")
		require.Len(t, first.topics, r.topics.Len())
		require.NotEmpty(t, first.header.HAServerAddr)
	}
	p := r.dial(t)
	p.ok(protocol.ReqUpdateAndCreateTopic, createHeader("ordered"), nil, nil)
	for _, n := range []*nameserverDouble{one, two} {
		calls := n.seen(protocol.ReqRegisterBroker)
		require.GreaterOrEqual(t, len(calls), 2, "registered before the administrator is answered")
		require.Equal(t, []string{"ordered"}, calls[1].topics)
		require.Positive(t, calls[1].body.TopicConfigSerializeWrapper.DataVersion.Counter)
	}
	eventually(t, "the nameserver's order configuration is adopted", func() bool {
		topic, _ := r.topics.Lookup("ordered")
		return topic.Order
	})
	p.send("sent", 0, "x")
	eventually(t, "a topic made by a message is announced", func() bool {
		return slices.ContainsFunc(one.seen(protocol.ReqRegisterBroker), func(c registration) bool { return slices.Contains(c.topics, "sent") })
	})
	require.NoError(t, r.Stop(context.Background()))
	require.Len(t, one.seen(protocol.ReqUnregisterBroker), 1)
	require.Len(t, two.seen(protocol.ReqUnregisterBroker), 1)
}

func TestPermissionLimitsWhatIsRegistered(t *testing.T) {
	n := newNameserver(t)
	r := runRig(t, with(n), func(c *config.Broker) { c.BrokerPermission = 4 })
	first := n.registered(t, 1)
	require.EqualValues(t, 4, first.body.TopicConfigSerializeWrapper.TopicConfigTable["TBW102"].Perm)
	r.dial(t).ok(protocol.ReqUpdateBrokerConfig, nil, nil, []byte("brokerPermission=6\n"))
	second := n.registered(t, 2)
	require.EqualValues(t, 7, second.body.TopicConfigSerializeWrapper.TopicConfigTable["TBW102"].Perm)
	require.Len(t, second.topics, r.topics.Len())
}

func TestRegistrationInChunks(t *testing.T) {
	n := newNameserver(t)
	r := runRig(t, with(n), func(c *config.Broker) { c.EnableSplitRegistration, c.SplitRegistrationSize = true, 4 })
	n.registered(t, (r.topics.Len()+3)/4)
	total := 0
	for _, c := range n.seen(protocol.ReqRegisterBroker) {
		total += len(c.topics)
	}
	require.Equal(t, r.topics.Len(), total)
}

func TestSingleTopicRegistration(t *testing.T) {
	n := newNameserver(t)
	r := runRig(t, with(n), func(c *config.Broker) { c.EnableSingleTopic = true })
	n.registered(t, 1)
	r.dial(t).ok(protocol.ReqUpdateAndCreateTopic, createHeader("t"), nil, nil)
	calls := n.seen(protocol.ReqRegisterTopicInNamesrv)
	require.Len(t, calls, 1)
	require.Equal(t, []string{"t"}, calls[0].topics)
}

func TestFailedRegistrationIsRepeatedInFull(t *testing.T) {
	n := newNameserver(t)
	n.failing.Store(true)
	r := runRig(t, with(n))
	r.dial(t).ok(protocol.ReqUpdateAndCreateTopic, createHeader("t"), nil, nil)
	n.failing.Store(false)
	first := n.registered(t, 1)
	require.Len(t, first.topics, r.topics.Len())
}

// again ends the period of all nameservers when no call is under way.
func (r *rig) again(t testing.TB) {
	eventually(t, "no call", func() bool {
		r.register.mu.Lock()
		defer r.register.mu.Unlock()
		for _, ns := range r.register.mu.servers {
			if ns.busy {
				return false
			}
			ns.next = r.now()
		}
		return true
	})
	r.register.signal()
}

func TestVersionIsAskedFirst(t *testing.T) {
	n := newNameserver(t)
	r := runRig(t, with(n), func(c *config.Broker) { c.ForceRegister = false })
	n.registered(t, 1) // unknown to us: no question
	require.Empty(t, n.seen(protocol.ReqQueryDataVersion))
	r.again(t)
	eventually(t, "question", func() bool { return len(n.seen(protocol.ReqQueryDataVersion)) == 1 })
	require.Len(t, n.seen(protocol.ReqRegisterBroker), 1)
	n.changed.Store(true)
	r.again(t)
	n.registered(t, 2)
}

// TestManyTopicsAreSentOnce has more topics than go into a request. The second
// round asks, a changed topic is sent alone, and each request has another version
// than the one before.
func TestManyTopicsAreSentOnce(t *testing.T) {
	n := newNameserver(t)
	cfg := rigConfig(t, with(n))
	many := make(map[string]*protocol.TopicConfig)
	for i := range 50_000 {
		c := protocol.NewTopicConfig(fmt.Sprintf("topic-of-some-%06d", i))
		many[c.TopicName] = &c
	}
	require.NoError(t, vfs.ReplaceFile(vfs.OS, cfg.StorePathRootDir+"/config/topics.json", javajson.MarshalPretty(
		map[string]any{"topicConfigTable": many, "dataVersion": protocol.DataVersion{Counter: 7}})))
	r := runRigOn(t, cfg)
	n.registered(t, 2)
	eventually(t, "the end of the registration", func() bool {
		total := 0
		for _, c := range n.seen(protocol.ReqRegisterBroker) {
			total += len(c.topics)
		}
		return total == r.topics.Len()
	})
	r.again(t)
	eventually(t, "question", func() bool { return len(n.seen(protocol.ReqQueryDataVersion)) == 1 })
	sent := len(n.seen(protocol.ReqRegisterBroker))

	p := r.dial(t)
	for i := range 2 { // the second one finds the version that the first one sent
		p.ok(protocol.ReqUpdateAndCreateTopic, createHeader("topic-of-some-000001"), nil, nil)
		require.True(t, r.topics.Delete(fmt.Sprintf("topic-of-some-00001%d", i)))
		r.register.announce([]string{"topic-of-some-000002"})
		r.register.announce([]string{"topic-of-some-000003"})
	}
	eventually(t, "changes", func() bool {
		calls := n.seen(protocol.ReqRegisterBroker)
		return slices.Contains(calls[len(calls)-1].topics, "topic-of-some-000003")
	})
	r.again(t)
	eventually(t, "question after changes", func() bool { return len(n.seen(protocol.ReqQueryDataVersion)) == 2 })
	calls := n.seen(protocol.ReqRegisterBroker)
	for i, c := range calls {
		if i >= sent {
			require.LessOrEqual(t, len(c.topics), 3)
		}
		if i > 0 {
			require.NotEqual(t, calls[i-1].body.TopicConfigSerializeWrapper.DataVersion, c.body.TopicConfigSerializeWrapper.DataVersion)
		}
	}
}

func TestCompressedBody(t *testing.T) {
	topic := protocol.NewTopicConfig("t")
	topic.Attributes = map[string]string{"message.type": "FIFO"}
	data := compressedBody(protocol.DataVersion{Counter: 5}, []*protocol.TopicConfig{&topic})
	z, err := zlib.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	number := func() int {
		n := int(binary.BigEndian.Uint32(plain))
		plain = plain[4:]
		return n
	}
	text := func() string {
		n := number()
		s := string(plain[:n])
		plain = plain[n:]
		return s
	}
	require.Equal(t, `{"counter":5,"stateVersion":0,"timestamp":0}`, text())
	require.Equal(t, 1, number())
	require.Equal(t, `t 16 16 6 SINGLE_TAG {"message.type":"FIFO"}`, text())
	require.Equal(t, "[]", text())
	require.Zero(t, number())
	require.Empty(t, plain)
}

func TestCompressedRegistration(t *testing.T) {
	n := newNameserver(t)
	runRig(t, with(n), func(c *config.Broker) { c.CompressedRegister = true })
	require.True(t, n.registered(t, 1).header.Compressed)
}

func TestChunksStayBelowTheFrame(t *testing.T) {
	list := make([]*protocol.TopicConfig, 100_000)
	for i := range list {
		c := protocol.NewTopicConfig("a-topic-with-a-name-of-some-length-" + string(rune('a'+i%26)))
		list[i] = &c
	}
	n := chunk(list, len(list))
	require.Less(t, n, len(list))
	require.Positive(t, n)
	require.Equal(t, 1, chunk(list[:1], 1))
	require.Zero(t, chunk(nil, 0))
}
