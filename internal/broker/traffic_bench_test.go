package broker

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// load is a connection that plays frames made beforehand and skips the answers:
// it allocates nothing, so that what is counted is the broker's.
type load struct {
	t      testing.TB
	conn   net.Conn
	frames []byte // of one burst
	burst  int
	buf    []byte
	have   int
}

// loadOf makes a burst of the same request.
func (r *rig) loadOf(t testing.TB, burst int, code protocol.RequestCode, header any, body []byte) *load {
	p := r.dial(t)
	l := &load{t: t, conn: p.conn, burst: burst, buf: make([]byte, 1<<20)}
	for i := range burst {
		cmd := remoting.Command{
			Code: int32(code), Version: protocol.Version, Opaque: int32(i), Body: body,
			Ext: remoting.AppendHeader(nil, header, code == protocol.ReqSendMessageV2),
		}
		var err error
		l.frames, err = remoting.AppendCommand(l.frames, &cmd)
		require.NoError(t, err)
	}
	return l
}

// play sends a burst and waits for its answers.
func (l *load) play() {
	if _, err := l.conn.Write(l.frames); err != nil {
		l.t.Fatal(err)
	}
	l.skip(l.burst)
}

// skip reads n answers, all of which must have succeeded.
func (l *load) skip(n int) {
	for n > 0 {
		for l.have < 4 || l.have < 4+int(binary.BigEndian.Uint32(l.buf)) {
			got, err := l.conn.Read(l.buf[l.have:])
			if err != nil {
				l.t.Fatal(err)
			}
			l.have += got
		}
		size := 4 + int(binary.BigEndian.Uint32(l.buf))
		if !bytes.HasPrefix(l.buf[8:], []byte(`{"code":0,`)) {
			l.t.Fatalf("refused: %q", l.buf[8:min(size, 300)])
		}
		l.have = copy(l.buf, l.buf[size:l.have])
		n--
	}
}

func clientProps() []string {
	return []string{"UNIQ_KEY", strings.Repeat("A", 32), "WAIT", "true", "TAGS", "TagA"}
}

const loadBurst = 128

// TestSendPathAllocations holds the send path to its budget: nothing that grows
// with the messages. What is left is of the broker's other goroutines.
func TestSendPathAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := runRig(t).loadOf(t, loadBurst, protocol.ReqSendMessageV2, sendHeader("T", 0, clientProps()...), make([]byte, 100))
	for range 20 {
		l.play()
	}
	perMessage := testing.AllocsPerRun(50, l.play) / loadBurst
	t.Logf("%.3f allocations per message", perMessage)
	require.Less(t, perMessage, 0.25)
}

func TestPullPathAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	r := runRig(t, withSQL)
	send := r.loadOf(t, loadBurst, protocol.ReqSendMessageV2, sendHeader("T", 0, clientProps()...), make([]byte, 100))
	send.play()
	tags := pullHeader("g", "T", 0, 0)
	tags.Subscription = "TagA || TagB"
	for name, h := range map[string]*protocol.PullMessageRequest{
		"everything": pullHeader("g", "T", 0, 0), "tags": tags, "SQL92": sqlPull("g", "T", 0, "TAGS = 'TagA' AND UNIQ_KEY IS NOT NULL"),
	} {
		l := r.loadOf(t, 16, protocol.ReqPullMessage, h, nil)
		for range 20 {
			l.play()
		}
		perPull := testing.AllocsPerRun(50, l.play) / 16
		t.Logf("%s: %.3f allocations per pull of 32", name, perPull)
		require.Less(t, perPull, 0.5)
	}
}

func BenchmarkSend(b *testing.B) {
	for _, c := range []struct {
		name  string
		burst int
		size  int
	}{{"one in flight 1KiB", 1, 1024}, {"128 in flight 128B", 128, 128}, {"128 in flight 1KiB", 128, 1024}} {
		b.Run(c.name, func(b *testing.B) {
			l := runRig(b).loadOf(b, c.burst, protocol.ReqSendMessageV2, sendHeader("T", 0, clientProps()...), make([]byte, c.size))
			l.play()
			b.ReportAllocs()
			b.SetBytes(int64(c.size))
			b.ResetTimer()
			for n := 0; n < b.N; n += c.burst {
				l.play()
			}
		})
	}
}

func BenchmarkPull(b *testing.B) {
	r := runRig(b)
	send := r.loadOf(b, loadBurst, protocol.ReqSendMessageV2, sendHeader("T", 0, clientProps()...), make([]byte, 1024))
	send.play()
	l := r.loadOf(b, 8, protocol.ReqPullMessage, pullHeader("g", "T", 0, 0), nil)
	l.play()
	b.ReportAllocs()
	b.SetBytes(32 * 1024)
	b.ResetTimer()
	for n := 0; n < b.N; n += 8 {
		l.play()
	}
}

// BenchmarkLongPoll is one message from a producer to a consumer that waits.
func BenchmarkLongPoll(b *testing.B) {
	r := runRig(b)
	send := r.loadOf(b, 1, protocol.ReqSendMessageV2, sendHeader("T", 0, clientProps()...), make([]byte, 128))
	send.play()
	consumer := r.dial(b)
	l := &load{t: b, conn: consumer.conn, buf: make([]byte, 1<<20)}
	h := pullHeader("g", "T", 0, 1)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 15000
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n++ {
		h.QueueOffset = int64(n + 1)
		consumer.write(protocol.ReqPullMessage, h, nil, 0)
		send.play()
		l.skip(1)
	}
}
