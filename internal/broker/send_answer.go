package broker

import (
	"errors"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// sendingDone is called by the leader when a message is stored, or is not.
func sendingDone(p *store.Put) {
	s := p.Owner.(*sending)
	b := s.b
	if p.Result.Status == store.PutOK {
		s.answer(&p.Result)
	} else {
		b.stats.PutFailed(1)
		b.refuseSend(s.ticket, b.putError(p.Result.Status, p.Result.Err))
	}
	b.store.ReleasePut(p)
	b.releaseSending(s)
}

func (s *sending) answer(r *store.PutResult) {
	b, took := s.b, s.ticket.Age()
	b.stats.Put(s.topic, s.queueID, s.kind, int64(max(r.Count, s.messages)), s.bytes, took)
	if s.ticket.Oneway() {
		return
	}
	s.ids = s.ids[:0]
	for i, physical := range r.Offsets {
		if i > 0 {
			s.ids = append(s.ids, ',')
		}
		s.ids = message.AppendOffsetID(s.ids, b.traffic.host, physical)
	}
	s.response = protocol.SendMessageResponse{
		MsgID: aliasOf(s.ids), QueueID: s.queueID, QueueOffset: r.QueueOffset, TransactionID: aliasOf(s.uniqKey),
		RecallHandle: s.recall,
	}
	s.ticket.Queue(remoting.Reply{Header: &s.response, Ext: b.props().ext, Took: took})
	b.touch(s.ticket.Conn())
}

// refuseSend answers a send that failed. Clients read the answer's fields
// without asking whether there are any.
func (b *Broker) refuseSend(t remoting.Ticket, err error) {
	if t.Oneway() {
		return
	}
	code, remark := outcome(err)
	t.Reply(remoting.Reply{Code: code, Remark: remark, Ext: b.props().ext})
}

// outcome is the code and remark of an error.
func outcome(err error) (protocol.ResponseCode, string) {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Code, e.Remark
	}
	return protocol.RespSystemError, err.Error()
}

// putError is the answer to a put that the store refused, storage.md 7.2.
func (b *Broker) putError(status store.PutStatus, why error) error {
	switch status {
	case store.PutMessageIllegal, store.PutPropertiesSizeExceeded:
		return protocol.Errorf(protocol.RespMessageIllegal, "the message is illegal, maybe msg body or properties length not matched. "+
			"msg body length limit %dB, msg properties length limit 32KB. (%v)", b.config().MaxMessageSize, why)
	case store.PutServiceNotAvailable:
		return protocol.Errorf(protocol.RespServiceNotAvailable, "%v", why)
	case store.PutCreateFileFailed:
		return protocol.Errorf(protocol.RespSystemError, "create mapped file failed, server is busy or broken. (%v)", why)
	default:
		return protocol.Errorf(protocol.RespSystemError, "%s: %v", status, why)
	}
}
