package broker

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoreOfAnotherIsRefused(t *testing.T) {
	cfg := rigConfig(t)
	runRigOn(t, cfg)
	b, err := New(Config{Broker: cfg, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var locked *vfs.LockedError
	require.ErrorAs(t, b.Start(context.Background()), &locked)
}

func TestPortInUseIsNamed(t *testing.T) {
	r := runRig(t)
	other := rigConfig(t, func(c *config.Broker) { c.ListenPort = int(r.Addr().Port()) })
	b, err := New(Config{Broker: other, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorContains(t, b.Start(context.Background()), "listenPort "+strconv.Itoa(other.ListenPort))
}

func TestAdvertisedAddress(t *testing.T) {
	for advertise, want := range map[string]string{"": "127.0.0.1:", "10.1.2.3:0": "10.1.2.3:", "example.org:1234": "example.org:1234"} {
		b, err := New(Config{Broker: rigConfig(t), Advertise: advertise, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		require.NoError(t, b.loadConfig(t.Context()))
		require.NoError(t, b.listen(t.Context()))
		if want[len(want)-1] == ':' {
			want += strconv.Itoa(int(b.Addr().Port()))
		}
		require.Equal(t, want, b.Advertised())
		b.ports.main.server.Close()
		b.ports.fast.server.Close()
	}
	_, err := New(Config{Broker: rigConfig(t), Advertise: "nonsense"})
	require.ErrorContains(t, err, "nonsense")
}

func TestStopIsIdempotentAndQuick(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	h := pullHeader("g", "t", 0, 0)
	p.send("t", 0, "x")
	h.QueueOffset, h.SysFlag, h.SuspendTimeoutMillis = 1, pullSubscription|pullSuspend, 60_000
	p.write(11, h, nil, 0)
	eventually(t, "the pull is held", func() bool { return r.hold.Len() == 1 })
	require.NoError(t, r.Stop(context.Background()))
	require.NoError(t, r.Stop(context.Background()))
	_, err := net.Dial("tcp", r.Addr().String())
	require.Error(t, err)
}

func TestRunEndsWithItsContext(t *testing.T) {
	b, err := New(Config{Broker: rigConfig(t), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, b.Start(ctx))
	cancel()
	require.NoError(t, b.Wait(ctx))
}

func TestTopicsWithMessagesAreRestored(t *testing.T) {
	cfg := rigConfig(t)
	r := runRigOn(t, cfg)
	p := r.dial(t)
	p.send("t", 3, "x")
	require.NoError(t, r.topics.Sync())
	r.shutdown()
	for _, name := range []string{"/config/topics.json", "/config/topics.json.bak"} {
		_ = vfs.OS.Remove(cfg.StorePathRootDir + name)
	}
	f, err := vfs.OS.Create(cfg.StorePathRootDir + "/abort")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	again := runRigOn(t, cfg)
	topic, ok := again.topics.Lookup("t")
	require.True(t, ok)
	require.EqualValues(t, 4, topic.ReadQueueNums)
	_, _, got := again.dial(t).pull(pullHeader("g", "t", 3, 0))
	require.Equal(t, []string{"x"}, bodies(got))
}
