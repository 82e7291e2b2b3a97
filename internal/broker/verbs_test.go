package broker

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

func TestVerbsAreServedOnce(t *testing.T) {
	seen := map[protocol.RequestCode]bool{}
	for _, v := range (&Broker{}).verbs() {
		require.False(t, seen[v.code], v.code)
		require.True(t, (v.serve == nil) != (v.slow == nil), "%s: exactly one handler", v.code)
		seen[v.code] = true
	}
	for _, later := range []protocol.RequestCode{
		protocol.ReqLockBatchMQ + 10000, protocol.ReqLockBatchMQ + 10001,
	} {
		require.False(t, seen[later], later)
	}
}

// dialPort connects to a port of the rig.
func (r *rig) dialPort(t testing.TB, addr netip.AddrPort) *peer {
	conn, err := net.Dial("tcp", addr.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t: t, conn: conn}
}

func TestFastPortHasEverythingButPulls(t *testing.T) {
	r := runRig(t)
	require.Equal(t, r.ports.main.addr.Port()-2, r.ports.fast.addr.Port())
	p := r.dialPort(t, r.ports.fast.addr)
	require.EqualValues(t, 0, p.send("t", 0, "x").QueueID)
	for _, code := range []protocol.RequestCode{protocol.ReqPullMessage, protocol.ReqLitePullMessage, protocol.ReqPopMessage, 9999} {
		answer := p.call(code, pullHeader("g", "t", 0, 0), nil)
		require.EqualValues(t, protocol.RespRequestCodeNotSupported, answer.Code, code)
	}
	require.Equal(t, " request type 9999 not supported", p.call(9999, nil, nil).Remark)
}
