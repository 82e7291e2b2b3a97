package namesrv

import (
	"strings"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// addrs returns the members as they stand in every body.
func (g *Group) addrs() map[int64]string {
	m := make(map[int64]string, len(g.Members))
	for _, member := range g.Members {
		m[member.ID] = member.Addr
	}
	return m
}

func (g *Group) data() protocol.BrokerData {
	return protocol.BrokerData{
		Cluster: g.Cluster, BrokerName: g.Name, ZoneName: g.Zone,
		BrokerAddrs: g.addrs(), EnableActingMaster: g.ActingMaster,
	}
}

// encode makes the body of code 105. Standard JSON quotes the broker ids; the
// old form does not.
func (r Route) encode(order string, standard bool) []byte {
	body := protocol.TopicRouteData{
		OrderTopicConf:    order,
		QueueDatas:        r.Queues,
		BrokerDatas:       make([]protocol.BrokerData, 0, len(r.Groups)),
		FilterServerTable: map[string][]string{},
	}
	for _, g := range r.Groups {
		body.BrokerDatas = append(body.BrokerDatas, g.data())
		for _, m := range g.Members {
			if len(m.Filters) > 0 {
				body.FilterServerTable[m.Addr] = m.Filters
			}
		}
	}
	if len(r.Mappings) > 0 {
		body.TopicQueueMappingByBroker = make(map[string]protocol.TopicQueueMappingInfo, len(r.Mappings))
		for _, m := range r.Mappings {
			body.TopicQueueMappingByBroker[m.BName] = m
		}
	}
	if standard {
		return javajson.MarshalStandard(body)
	}
	return javajson.Marshal(body)
}

func encodeClusters(groups []*Group, clusters map[string][]string) []byte {
	info := protocol.ClusterInfo{
		BrokerAddrTable:  make(map[string]protocol.BrokerData, len(groups)),
		ClusterAddrTable: clusters,
	}
	for _, g := range groups {
		info.BrokerAddrTable[g.Name] = g.data()
	}
	return javajson.Marshal(info)
}

// encodeMembers makes the body of code 901; g is nil for an unknown broker. The
// cluster is the one that was asked for.
func encodeMembers(cluster, broker string, g *Group) []byte {
	m := protocol.BrokerMemberGroup{Cluster: cluster, BrokerName: broker, BrokerAddrs: map[int64]string{}}
	if g != nil {
		m.BrokerAddrs = g.addrs()
	}
	return javajson.Marshal(protocol.GetBrokerMemberGroupResponseBody{BrokerMemberGroup: &m})
}

func encodeTopics(names []string, addr string) []byte {
	return javajson.Marshal(protocol.TopicList{TopicList: names, BrokerAddr: addr})
}

func encodeKV(entries map[string]string) []byte {
	return javajson.Marshal(protocol.KVTable{Table: entries})
}

func encodeVersion(v protocol.DataVersion) []byte { return javajson.Marshal(v) }

// decodeVersion reads a data version; no body is the zero version.
func decodeVersion(body []byte) (v protocol.DataVersion, err error) {
	if len(body) > 0 {
		err = javajson.Unmarshal(body, &v)
	}
	return v, err
}

// decodeQueues reads the queues of code 217.
func decodeQueues(body []byte) ([]protocol.QueueData, error) {
	if len(body) == 0 {
		return nil, nil
	}
	var route protocol.TopicRouteData
	err := javajson.Unmarshal(body, &route)
	return route.QueueDatas, err
}
