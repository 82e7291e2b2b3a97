package broker

import (
	"context"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/broker/transaction"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// resumeCheck serves RESUME_CHECK_HALF_MESSAGE: a half message that was given up
// becomes one again, and is checked from the first attempt on.
func (b *Broker) resumeCheck(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.ResumeCheckHalfMessageRequest](c)
	if err != nil {
		return err
	}
	const failed = "Exception was thrown when putting message back to RMQ_SYS_TRANS_HALF_TOPIC."
	_, physical, err := message.ParseOffsetID(h.MsgID)
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s (%v)", failed, err)
	}
	rec, err := b.store.Record(physical, nil)
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s (message %s: %v)", failed, h.MsgID, err)
	}
	m, err := transaction.Resumed(rec)
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s (message %s: %v)", failed, h.MsgID, err)
	}
	topic, _ := message.Property(m.Properties, message.PropRealTopic)
	var results [1]store.PutResult
	b.putAll([]message.Message{m}, results[:], stats.Transaction)
	if results[0].Status != store.PutOK {
		return protocol.Errorf(protocol.RespSystemError, "Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed. (%s)", results[0].Status)
	}
	b.transactions.Stored(b.stableTopic(topic))
	return replyOK(c)
}

// Limits of a list of open transactions.
const (
	listedDefault = 100
	listedMost    = 1000
)

// listTransactions serves LIST_OPEN_TRANSACTIONS.
func (b *Broker) listTransactions(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.ListOpenTransactionsRequest](c)
	if err != nil {
		return err
	}
	n := int(h.MaxNum)
	if n <= 0 {
		n = listedDefault
	}
	list, next, err := b.transactions.List(h.Offset, min(n, listedMost), h.Topic, h.ProducerGroup)
	if err != nil {
		return err
	}
	if list == nil {
		list = []protocol.OpenTransaction{}
	}
	open, _ := b.transactions.Open()
	return replyJSON(c, protocol.OpenTransactions{Open: open, Next: next, Transactions: list})
}

// decideTransaction serves DECIDE_TRANSACTION: an administrator commits or rolls
// back an open transaction in place of its producer.
func (b *Broker) decideTransaction(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.DecideTransactionRequest](c)
	if err != nil {
		return err
	}
	if h.CommitOrRollback != protocol.TransactionCommit && h.CommitOrRollback != protocol.TransactionRollback {
		return protocol.Errorf(protocol.RespInvalidParameter, "commitOrRollback is %d, must be %d to commit or %d to roll back",
			h.CommitOrRollback, protocol.TransactionCommit, protocol.TransactionRollback)
	}
	half, err := b.transactions.Half(h.Offset)
	if err != nil {
		return protocol.Errorf(protocol.RespQueryNotFound, "%v", err)
	}
	done := make(chan error, 1)
	e := endings.Get().(*ending)
	e.b, e.ticket, e.done = b, c.Ticket, func(err error) { done <- err }
	err = e.start(&protocol.EndTransactionRequest{
		TranStateTableOffset: h.Offset, CommitLogOffset: half.Physical, CommitOrRollback: h.CommitOrRollback,
	}, true)
	if err != nil {
		e.release()
		return err
	}
	b.store.Commit()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	b.log.Info("transaction ended by an administrator", "offset", h.Offset, "topic", half.Topic, "id", half.TransactionID,
		"commitOrRollback", h.CommitOrRollback, "peer", c.Conn().RemoteAddr())
	return replyOK(c)
}

// recheckTransactions serves RECHECK_TRANSACTIONS: producers are asked now about
// all that is open.
func (b *Broker) recheckTransactions(c *remoting.Call) error {
	b.transactions.Recheck()
	return replyOK(c)
}
