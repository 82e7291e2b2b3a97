package admin

import (
	"context"
	"fmt"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// OpenTransaction is a half message that nobody committed or rolled back.
type OpenTransaction struct {
	Addr string `json:"addr"`
	protocol.OpenTransaction
}

// TransactionFilter says which open transactions to list. Empty fields mean all.
type TransactionFilter struct {
	Topic, Group string
	Max          int // per broker; 0: all
}

// transactionPage is how many transactions are asked for at a time.
const transactionPage = 1000

// OpenTransactions lists open transactions, the oldest of each broker first. Only
// aerobee's brokers can say.
func (c *Client) OpenTransactions(ctx context.Context, target Target, f TransactionFilter) ([]OpenTransaction, error) {
	list := []OpenTransaction{}
	_, err := c.onEach(ctx, target, func(addr string) error {
		n, from := 0, int64(0)
		for from >= 0 && (f.Max <= 0 || n < f.Max) {
			page := transactionPage
			if f.Max > 0 {
				page = min(page, f.Max-n)
			}
			body, err := ask[protocol.OpenTransactions](ctx, c, addr, cluster.Request{
				Code:   protocol.ReqListOpenTransactions,
				Header: &protocol.ListOpenTransactionsRequest{Offset: from, MaxNum: int32(page), Topic: f.Topic, ProducerGroup: f.Group},
			})
			if err != nil {
				return fmt.Errorf("open transactions: %w", err)
			}
			for _, t := range body.Transactions {
				list = append(list, OpenTransaction{addr, t})
			}
			n, from = n+len(body.Transactions), body.Next
		}
		return nil
	})
	return list, err
}

// EndTransaction commits or rolls back the open transaction whose half message is
// at an offset of a broker's half queue, in place of its producer.
func (c *Client) EndTransaction(ctx context.Context, addr string, offset int64, commit bool) error {
	how := int32(protocol.TransactionRollback)
	if commit {
		how = protocol.TransactionCommit
	}
	_, err := c.call(ctx, addr, cluster.Request{
		Code: protocol.ReqDecideTransaction, Header: &protocol.DecideTransactionRequest{Offset: offset, CommitOrRollback: how},
	})
	if err != nil {
		return fmt.Errorf("end transaction %d: %w", offset, err)
	}
	return nil
}

// RecheckTransactions has brokers ask producers now about all open transactions.
func (c *Client) RecheckTransactions(ctx context.Context, target Target) ([]string, error) {
	return c.onEach(ctx, target, func(addr string) error {
		if _, err := c.call(ctx, addr, cluster.Request{Code: protocol.ReqRecheckTransactions}); err != nil {
			return fmt.Errorf("recheck transactions: %w", err)
		}
		return nil
	})
}

// ResumeTransaction makes a half message of a message that was given up, by its
// offset id (mqadmin's resumeCheckHalfMessage).
func (c *Client) ResumeTransaction(ctx context.Context, addr, topic, offsetID string) error {
	_, err := c.call(ctx, addr, cluster.Request{
		Code: protocol.ReqResumeCheckHalfMessage, Header: &protocol.ResumeCheckHalfMessageRequest{Topic: topic, MsgID: offsetID},
	})
	if err != nil {
		return fmt.Errorf("resume transaction %s: %w", offsetID, err)
	}
	return nil
}
