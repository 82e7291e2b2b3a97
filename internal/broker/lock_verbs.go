package broker

import (
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// lockBatchMQ serves LOCK_BATCH_MQ (consumption.md 7.2): the answer lists the
// queues that the client holds now.
func (b *Broker) lockBatchMQ(c *remoting.Call) error {
	var body protocol.LockBatchRequestBody
	if err := decodeBody(c, &body); err != nil {
		return err
	}
	held := b.locks.Lock(body.ConsumerGroup, body.ClientID, body.MQSet)
	c.Reply(remoting.Reply{Body: javajson.Marshal(protocol.LockBatchResponseBody{LockOKMQSet: held})})
	return nil
}

// unlockBatchMQ serves UNLOCK_BATCH_MQ. Locks of other clients stay.
func (b *Broker) unlockBatchMQ(c *remoting.Call) error {
	var body protocol.UnlockBatchRequestBody
	if err := decodeBody(c, &body); err != nil {
		return err
	}
	b.locks.Unlock(body.ConsumerGroup, body.ClientID, body.MQSet)
	c.Reply(remoting.Reply{})
	return nil
}

// decodeBody reads a JSON body.
func decodeBody(c *remoting.Call, body any) error {
	if len(c.Body) == 0 {
		return protocol.Errorf(protocol.RespSystemError, "the request has no body")
	}
	if err := javajson.Unmarshal(c.Body, body); err != nil {
		return protocol.Errorf(protocol.RespSystemError, "body: %v", err)
	}
	return nil
}
