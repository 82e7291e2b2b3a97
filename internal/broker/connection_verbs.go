package broker

import (
	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// consumerConnections serves GET_CONSUMER_CONNECTION_LIST.
func (b *Broker) consumerConnections(c *remoting.Call) error {
	h, err := bind[protocol.GetConsumerConnectionListRequest](c)
	if err != nil {
		return err
	}
	g, online := b.clients.ConsumerGroup(h.ConsumerGroup)
	if !online {
		return protocol.Errorf(protocol.RespConsumerNotOnline, "the consumer group[%s] not online", h.ConsumerGroup)
	}
	out := protocol.ConsumerConnection{
		ConnectionSet: connections(g.Members), SubscriptionTable: make(map[string]protocol.SubscriptionData, len(g.Subscriptions)),
		ConsumeType: g.ConsumeType, MessageModel: g.MessageModel, ConsumeFromWhere: g.ConsumeFromWhere,
	}
	out.SubscriptionMismatch = b.mismatchReport(g)
	for topic, sub := range g.Subscriptions {
		out.SubscriptionTable[topic] = *sub
	}
	return replyJSON(c, &out)
}

// producerConnections serves GET_PRODUCER_CONNECTION_LIST.
func (b *Broker) producerConnections(c *remoting.Call) error {
	h, err := bind[protocol.GetProducerConnectionListRequest](c)
	if err != nil {
		return err
	}
	members := b.clients.ProducerGroup(h.ProducerGroup)
	if len(members) == 0 {
		return protocol.Errorf(protocol.RespSystemError, "the producer group[%s] not exist", h.ProducerGroup)
	}
	return replyJSON(c, &protocol.ProducerConnection{ConnectionSet: connections(members)})
}

func connections(members []*registry.Member) []protocol.Connection {
	list := make([]protocol.Connection, len(members))
	for i, m := range members {
		list[i] = protocol.Connection{
			ClientID: m.ID, ClientAddr: m.Channel.RemoteAddr().String(), Language: m.Language, Version: m.Version,
		}
	}
	return list
}

// allProducers serves GET_ALL_PRODUCER_INFO.
func (b *Broker) allProducers(c *remoting.Call) error {
	out := protocol.ProducerTableInfo{Data: map[string][]protocol.ProducerInfo{}}
	for group, members := range b.clients.Producers() {
		for _, m := range members {
			out.Data[group] = append(out.Data[group], protocol.ProducerInfo{
				ClientID: m.ID, RemoteIP: "/" + m.Channel.RemoteAddr().String(), Language: m.Language,
				Version: m.Version, LastUpdateTimestamp: m.Seen().UnixMilli(),
			})
		}
	}
	return replyJSON(c, &out)
}
