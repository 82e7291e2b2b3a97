package admin

import (
	"context"

	"github.com/aerobee/aerobee/client"
)

// producerGroup is the group under which this package sends.
const producerGroup = "aerobee_admin"

// SendMessage sends one message. For more than a few, use a client.Producer: this
// makes one for each call.
func (c *Client) SendMessage(ctx context.Context, m *client.Message) (client.SendResult, error) {
	p, err := client.NewProducer(ctx, producerGroup, client.WithNameservers(c.Nameservers()...),
		client.WithSendTimeout(c.timeout), client.WithRequestTimeout(c.timeout), client.WithTLS(c.tls))
	if err != nil {
		return client.SendResult{}, err
	}
	defer p.Close()
	return p.Send(ctx, m)
}

// Resend sends a copy of a stored message: body, tag, keys and the sender's
// properties. The copy gets an id of its own.
func (c *Client) Resend(ctx context.Context, m *client.MessageView) (client.SendResult, error) {
	again := &client.Message{Topic: m.Topic(), Body: m.Body, Tag: m.Tag(), Keys: m.Keys(), Flag: m.Flag, Properties: make(map[string]string)}
	for name, value := range m.Properties {
		if !client.Reserved(name) {
			again.Properties[name] = value
		}
	}
	return c.SendMessage(ctx, again)
}
