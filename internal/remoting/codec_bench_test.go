package remoting

import (
	"testing"

	"github.com/aerobee/aerobee/internal/protocol"
)

func benchDecode(b *testing.B, name string) {
	frame := vector(b, name)[4:]
	var cmd Command
	var scratch Scratch
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		if err := DecodeCommand(frame, &cmd, &scratch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSendJSON(b *testing.B)   { benchDecode(b, "send_request") }
func BenchmarkDecodeSendBinary(b *testing.B) { benchDecode(b, "send_request_binary") }

func BenchmarkBindAliasSend(b *testing.B) {
	cmd := mustDecode(b, vector(b, "send_request")[4:])
	b.ReportAllocs()
	for b.Loop() {
		var h protocol.SendMessageRequest
		if err := BindAlias(cmd.Ext, &h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplySend(b *testing.B) {
	c := newLooseConn(b)
	t := Ticket{conn: c, opaque: 123456}
	b.ReportAllocs()
	for b.Loop() {
		resp := protocol.SendMessageResponse{MsgID: "7F00000100002A9F000000000008C3D2", QueueOffset: 1 << 40, TransactionID: "AC110001000000000000000000000A1"}
		t.Queue(Reply{Header: &resp, Ext: sendExt})
		c.out.discard()
	}
}

func BenchmarkServeSend(b *testing.B) {
	c := newLooseConn(b)
	frame := vector(b, "send_request")[4:]
	var call Call
	var scratch Scratch
	b.ReportAllocs()
	for b.Loop() {
		if err := serveOnce(c, frame, &call, &scratch); err != nil {
			b.Fatal(err)
		}
		c.out.discard()
	}
}
