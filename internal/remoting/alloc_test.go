package remoting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// newLooseConn returns a connection without a socket, whose output is collected.
func newLooseConn(t testing.TB) *Conn {
	t.Helper()
	ep := &endpoint{}
	ep.init(settings{timeout: defaultCall, maxCalls: defaultServerCalls})
	c := &Conn{ep: ep, done: make(chan struct{})}
	c.in.budget = &ep.budget
	c.out.init(c)
	c.out.begin()
	return c
}

// discard drops collected output as if it had been written.
func (o *output) discard() {
	if o.takeLocked() {
		o.dropTaken()
	}
}

func serveOnce(c *Conn, frame []byte, call *Call, scratch *Scratch) error {
	if err := DecodeCommand(frame, &call.Command, scratch); err != nil {
		return err
	}
	call.Ticket = Ticket{conn: c, opaque: call.Opaque, code: call.Code, version: call.Command.Version}
	var req protocol.SendMessageRequest
	if err := BindAlias(call.Ext, &req); err != nil {
		return err
	}
	resp := protocol.SendMessageResponse{
		MsgID: "7F00000100002A9F000000000008C3D2", QueueID: req.QueueID, QueueOffset: 1 << 40, TransactionID: req.Topic,
	}
	call.Reply(Reply{Code: protocol.RespSuccess, Header: &resp, Ext: sendExt})
	return nil
}

var sendExt = []Field{{"MSG_REGION", "DefaultRegion"}, {"TRACE_ON", "true"}}

// raceEnabled is set when the race detector, which allocates, is on.
var raceEnabled bool

func TestServingASendDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, name := range []string{"send_request", "send_request_binary"} {
		c := newLooseConn(t)
		frame := vector(t, name)[4:]
		var call Call
		var scratch Scratch
		allocs := testing.AllocsPerRun(1000, func() {
			if err := serveOnce(c, frame, &call, &scratch); err != nil {
				t.Error(err)
			}
			c.out.discard()
		})
		require.Zero(t, allocs, name)
	}
}
