package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

func (p *peer) half(topic, id string) (protocol.SendMessageResponse, int64) {
	r := p.send(topic, 1, id, "TRAN_MSG", "true", "PGROUP", "pg", "UNIQ_KEY", id)
	_, physical, err := message.ParseOffsetID(r.MsgID)
	require.NoError(p.t, err)
	return r, physical
}

func (p *peer) openTransactions() (all protocol.OpenTransactions) {
	answer := p.ok(protocol.ReqListOpenTransactions, nil, nil, nil)
	require.NoError(p.t, javajson.Unmarshal(answer.Body, &all))
	return all
}

func TestTransactionsOfABroker(t *testing.T) {
	cfg := rigConfig(t)
	r := runRigOn(t, cfg)
	p := r.dial(t)
	first, physical := p.half("T", "a")
	require.EqualValues(t, 1, first.QueueID, "the queue it was sent to")
	p.half("T", "b")
	p.half("T", "c")
	all := p.openTransactions()
	require.EqualValues(t, 3, all.Open)
	require.Len(t, all.Transactions, 3)
	require.Equal(t, "a", all.Transactions[0].TransactionID)

	end := &protocol.EndTransactionRequest{
		ProducerGroup: "pg", TranStateTableOffset: first.QueueOffset, CommitLogOffset: physical, CommitOrRollback: protocol.TransactionCommit, MsgID: "a",
	}
	p.ok(protocol.ReqEndTransaction, end, nil, nil)
	p.ok(protocol.ReqEndTransaction, end, nil, nil)
	require.EqualValues(t, 1, r.store.MaxOffset("T", 1), "stored once")
	p.ok(protocol.ReqDecideTransaction, &protocol.DecideTransactionRequest{Offset: 1, CommitOrRollback: protocol.TransactionRollback}, nil, nil)
	p.ok(protocol.ReqDecideTransaction, &protocol.DecideTransactionRequest{Offset: 2, CommitOrRollback: protocol.TransactionCommit}, nil, nil)
	require.NotZero(t, p.call(protocol.ReqDecideTransaction, &protocol.DecideTransactionRequest{Offset: 9, CommitOrRollback: 8}, nil).Code)
	require.NotZero(t, p.call(protocol.ReqDecideTransaction, &protocol.DecideTransactionRequest{Offset: 2, CommitOrRollback: 7}, nil).Code)
	require.EqualValues(t, 2, r.store.MaxOffset("T", 1))
	require.Zero(t, p.openTransactions().Open)
	p.ok(protocol.ReqRecheckTransactions, nil, nil, nil)

	r.shutdown()
	r = runRigOn(t, cfg)
	p = r.dial(t)
	require.Zero(t, p.openTransactions().Open)
	offset, ok := r.offsets.Query(protocol.TransactionGroup, protocol.HalfTopic, 0)
	require.True(t, ok)
	require.EqualValues(t, 3, offset)
}

func TestHalfMessagesCanBeRefused(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.RejectTransaction = true })
	answer := r.dial(t).call(protocol.ReqSendMessage, sendHeader("T", 0, "TRAN_MSG", "true"), []byte("x"))
	require.EqualValues(t, protocol.RespNoPermission, answer.Code)
	require.Equal(t, "the broker[127.0.0.1] sending transaction message is forbidden", answer.Remark)
}

func TestCommittedDelaysWait(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	commit := func(props ...string) {
		sent := p.send("T", 0, "x", append([]string{"TRAN_MSG", "true", "PGROUP", "pg"}, props...)...)
		_, physical, err := message.ParseOffsetID(sent.MsgID)
		require.NoError(t, err)
		p.ok(protocol.ReqEndTransaction, &protocol.EndTransactionRequest{
			ProducerGroup: "pg", TranStateTableOffset: sent.QueueOffset, CommitLogOffset: physical, CommitOrRollback: protocol.TransactionCommit, MsgID: "a",
		}, nil, nil)
	}
	commit("DELAY", "18")
	require.Zero(t, r.store.MaxOffset("T", 0))
	require.EqualValues(t, 1, r.store.MaxOffset(protocol.ScheduleTopic, 17))
	commit("TIMER_DELAY_SEC", "1000")
	require.Zero(t, r.store.MaxOffset("T", 0))
	require.EqualValues(t, 1, r.store.MaxOffset(timer.Topic, 0))
	commit("TIMER_DELIVER_MS", "1000")
	require.EqualValues(t, 1, r.store.MaxOffset("T", 0), "its time has passed")
	answer := r.dial(t).call(protocol.ReqSendMessage, sendHeader("T", 0, "TRAN_MSG", "true", "TIMER_DELAY_SEC", "soon"), []byte("x"))
	require.EqualValues(t, protocol.RespMessageIllegal, answer.Code)
}
