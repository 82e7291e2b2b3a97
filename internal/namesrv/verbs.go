package namesrv

import (
	"fmt"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// verb serves one request code. It runs on the connection's reader, see
// remoting.Handler; verbs that write files detach.
type verb func(s *Server, c *remoting.Call) error

// verbs is everything a nameserver answers; any other code is refused with code 3.
var verbs = map[protocol.RequestCode]verb{
	protocol.ReqGetRouteInfoByTopic: (*Server).routeInfo,

	// Brokers about themselves.
	protocol.ReqRegisterBroker:         (*Server).registerBroker,
	protocol.ReqUnregisterBroker:       (*Server).unregisterBroker,
	protocol.ReqQueryDataVersion:       (*Server).queryDataVersion,
	protocol.ReqBrokerHeartbeat:        (*Server).heartbeat,
	protocol.ReqGetBrokerMemberGroup:   (*Server).memberGroup,
	protocol.ReqRegisterTopicInNamesrv: (*Server).registerTopic,

	// Operators.
	protocol.ReqGetBrokerClusterInfo:          (*Server).clusterInfo,
	protocol.ReqGetAllTopicListFromNameServer: (*Server).allTopics,
	protocol.ReqGetTopicsByCluster:            (*Server).clusterTopics,
	protocol.ReqGetSystemTopicListFromNS:      (*Server).systemTopics,
	protocol.ReqGetUnitTopicList:              listVerb(unitTopics),
	protocol.ReqGetHasUnitSubTopicList:        listVerb(unitSubTopics),
	protocol.ReqGetHasUnitSubUnunitTopicList:  listVerb(onlySubTopics),
	protocol.ReqDeleteTopicInNamesrv:          (*Server).deleteTopic,
	protocol.ReqWipeWritePermOfBroker:         (*Server).wipeWritePerm,
	protocol.ReqAddWritePermOfBroker:          (*Server).addWritePerm,
	protocol.ReqPutKVConfig:                   (*Server).putKV,
	protocol.ReqGetKVConfig:                   (*Server).getKV,
	protocol.ReqDeleteKVConfig:                (*Server).deleteKV,
	protocol.ReqGetKVListByNamespace:          (*Server).listKV,
	protocol.ReqUpdateNamesrvConfig:           (*Server).updateConfig,
	protocol.ReqGetNamesrvConfig:              (*Server).getConfig,
}

// handle is the server's remoting.Handler.
func (s *Server) handle(c *remoting.Call) error {
	serve := verbs[protocol.RequestCode(c.Code)]
	if serve == nil {
		return remoting.NotSupported(c)
	}
	return serve(s, c)
}

// header reads the extFields of a request as an H, whose strings are its own.
func header[H any](c *remoting.Call) (H, error) {
	var h H
	err := remoting.Bind(c.Ext, &h)
	return h, err
}

// maxAnswer is what fits in a frame that a Java client accepts, with room for
// the header.
const maxAnswer = protocol.MaxFrameBytes - 64<<10

// answer sends a success with a body.
func answer(c *remoting.Call, h any, body []byte) error {
	if len(body) > maxAnswer {
		return protocol.Errorf(protocol.RespSystemError, "the answer has %d bytes, clients accept at most %d", len(body), maxAnswer)
	}
	c.Reply(remoting.Reply{Code: protocol.RespSuccess, Header: h, Body: body})
	return nil
}

// errNotReady is what clients are told while brokers are still registering.
var errNotReady = protocol.Errorf(protocol.RespSystemError, "name server not ready")

// faq ends the remark of an unknown topic, as in Java.
const faq = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."

func (s *Server) routeInfo(c *remoting.Call) error {
	cfg := s.settings()
	if cfg.NeedWait && time.Since(s.started) < cfg.WaitForService {
		return errNotReady
	}
	var h protocol.GetRouteInfoRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	route, ok := s.table.Route(h.Topic, cfg.ActingMaster)
	if !ok {
		topic := h.Topic
		if _, given := c.Ext.Get("topic"); !given {
			topic = "null"
		}
		return protocol.Errorf(protocol.RespTopicNotExist, "No topic route info in name server for the topic: %s%s", topic, faq)
	}
	standard := c.Version() >= protocol.VersionStandardRoute || h.AcceptStandardJsonOnly
	if mode, _ := c.Ext.Get(protocol.ExtZoneMode); protocol.ParseBool(mode) {
		if zone, _ := c.Ext.Get(protocol.ExtZoneName); !blank(zone) {
			route, standard = route.InZone(zone), false // Java re-encodes a filtered route in its old form
		}
	}
	order := ""
	if cfg.OrderMessage {
		order, _ = s.kv.get(orderNamespace, h.Topic)
	}
	return answer(c, nil, route.encode(order, standard))
}

func (s *Server) registerBroker(c *remoting.Call) error {
	h, err := header[protocol.RegisterBrokerRequest](c)
	if err != nil {
		return err
	}
	if !checkCRC(c.Body, h.BodyCRC32) {
		return protocol.Errorf(protocol.RespSystemError, "crc32 not match")
	}
	cfg := s.settings()
	body, err := decodeBody(c.Body, h.Compressed, c.Version(), bodyLimits{cfg.MaxTopics, maxInflated})
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s", err)
	}
	zone, _ := c.Ext.Get(protocol.ExtZoneName)
	where, err := s.register(c.Conn(), &Registration{
		Cluster: h.ClusterName, Broker: h.BrokerName, Addr: h.BrokerAddr, HAAddr: h.HAServerAddr, ID: h.BrokerID,
		Zone:         string([]byte(zone)), // the field's text belongs to the frame
		Timeout:      millis(h.HeartbeatTimeoutMillis.Value),
		OldBroker:    !h.EnableActingMaster.Set,
		ActingMaster: h.EnableActingMaster.Value,
		Version:      body.version, Topics: body.topics, Mappings: body.mappings, Filters: body.filters,
	})
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s", err)
	}
	var orders []byte
	if cfg.ReturnOrderConfig {
		if entries, ok := s.kv.list(orderNamespace); ok {
			orders = encodeKV(entries)
		}
	}
	return answer(c, &protocol.RegisterBrokerResponse{HAServerAddr: where.HAAddr, MasterAddr: where.MasterAddr}, orders)
}

// millis turns a broker's timeout into a duration; what does not fit is the
// longest that does.
func millis(ms int64) time.Duration {
	const longest = 1 << 53 / int64(time.Millisecond)
	return time.Duration(min(max(ms, 0), longest)) * time.Millisecond
}

func (s *Server) unregisterBroker(c *remoting.Call) error {
	h, err := header[protocol.UnregisterBrokerRequest](c)
	if err != nil {
		return err
	}
	s.change(func(o Options) []Effect {
		return s.table.Unregister(h.ClusterName, h.BrokerName, h.BrokerAddr, h.BrokerID, o)
	})
	s.log.Info("broker unregistered", "broker", h.BrokerName, "id", h.BrokerID, "addr", h.BrokerAddr)
	return answer(c, nil, nil)
}

func (s *Server) queryDataVersion(c *remoting.Call) error {
	h, err := header[protocol.QueryDataVersionRequest](c)
	if err != nil {
		return err
	}
	theirs, err := decodeVersion(c.Body)
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "data version: %s", err)
	}
	ours, known := s.renew(h.ClusterName, h.BrokerAddr)
	var body []byte
	if known {
		body = encodeVersion(ours)
	}
	return answer(c, &protocol.QueryDataVersionResponse{Changed: !known || ours != theirs}, body)
}

func (s *Server) heartbeat(c *remoting.Call) error {
	h, err := header[protocol.BrokerHeartbeatRequest](c)
	if err != nil {
		return err
	}
	s.renew(h.ClusterName, h.BrokerAddr)
	return answer(c, nil, nil)
}

func (s *Server) memberGroup(c *remoting.Call) error {
	h, err := header[protocol.GetBrokerMemberGroupRequest](c)
	if err != nil {
		return err
	}
	return answer(c, nil, encodeMembers(h.ClusterName, h.BrokerName, s.table.Group(h.BrokerName)))
}

func (s *Server) registerTopic(c *remoting.Call) error {
	h, err := header[protocol.RegisterTopicRequest](c)
	if err != nil {
		return err
	}
	queues, err := decodeQueues(c.Body)
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "route: %s", err)
	}
	s.change(func(o Options) []Effect {
		err = s.table.RegisterTopic(h.Topic, queues, o)
		return nil
	})
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s", err)
	}
	return answer(c, nil, nil)
}

func (s *Server) deleteTopic(c *remoting.Call) error {
	h, err := header[protocol.DeleteTopicFromNamesrvRequest](c)
	if err != nil {
		return err
	}
	s.change(func(Options) []Effect { s.table.DeleteTopic(h.Topic, h.ClusterName); return nil })
	s.log.Info("topic deleted", "topic", h.Topic, "cluster", h.ClusterName, "peer", c.Conn().RemoteAddr())
	return answer(c, nil, nil)
}

func (s *Server) wipeWritePerm(c *remoting.Call) error {
	h, err := header[protocol.WipeWritePermOfBrokerRequest](c)
	if err != nil {
		return err
	}
	return answer(c, &protocol.WipeWritePermOfBrokerResponse{WipeTopicCount: s.setWritable(h.BrokerName, false)}, nil)
}

func (s *Server) addWritePerm(c *remoting.Call) error {
	h, err := header[protocol.AddWritePermOfBrokerRequest](c)
	if err != nil {
		return err
	}
	return answer(c, &protocol.AddWritePermOfBrokerResponse{AddTopicCount: s.setWritable(h.BrokerName, true)}, nil)
}

func (s *Server) setWritable(broker string, writable bool) int32 {
	n := 0
	s.change(func(Options) []Effect { n = s.table.SetWritable(broker, writable); return nil })
	s.log.Info("write permission changed", "broker", broker, "writable", writable, "topics", n)
	return int32(n)
}

// errDisabled is Java's answer to topic lists that are switched off.
var errDisabled = protocol.Errorf(protocol.RespSystemError, "disable")

func errUnknownNamespace(namespace string) error {
	return protocol.Errorf(protocol.RespQueryNotFound, "No config item, Namespace: %s", namespace)
}

func errUnknownKey(namespace, key string) error {
	return protocol.Errorf(protocol.RespQueryNotFound, "No config item, Namespace: %s Key: %s", namespace, key)
}

func errNoKey(c *remoting.Call) error {
	for _, name := range []string{"namespace", "key"} {
		if _, ok := c.Ext.Get(name); !ok {
			return fmt.Errorf("namespace or key is null")
		}
	}
	return nil
}
