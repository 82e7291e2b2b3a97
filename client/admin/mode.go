package admin

import (
	"context"
	"fmt"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// ConsumeMode is how a group reads a topic when its clients leave it to the
// brokers to divide the queues.
type ConsumeMode struct {
	Topic string `json:"topic"`
	Group string `json:"consumerGroup"`
	Pop   bool   `json:"pop"` // else it pulls
	// PopShare is with how many clients one that pops shares its queues; none
	// means that everybody pops everything.
	PopShare int32 `json:"popShareQueueNum"`
}

// SetConsumeMode sets how a group reads a topic and returns the brokers where it
// is done.
func (c *Client) SetConsumeMode(ctx context.Context, target Target, mode ConsumeMode) ([]string, error) {
	body := protocol.SetMessageRequestModeRequestBody{
		Topic: mode.Topic, ConsumerGroup: mode.Group, Mode: protocol.RequestPull, PopShareQueueNum: mode.PopShare,
	}
	if mode.Pop {
		body.Mode = protocol.RequestPop
	}
	return c.onEach(ctx, target, func(addr string) error {
		_, err := c.call(ctx, addr, cluster.Request{Code: protocol.ReqSetMessageRequestMode, Body: jsonBody(&body)})
		if err != nil {
			return fmt.Errorf("set consume mode of group %s for topic %s: %w", mode.Group, mode.Topic, err)
		}
		return nil
	})
}
