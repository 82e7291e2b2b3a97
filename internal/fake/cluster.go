package fake

import (
	"bytes"
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// ClusterName is the cluster that all brokers of a Cluster belong to.
const ClusterName = "DefaultCluster"

// Cluster is an installation: one nameserver, any number of masters.
type Cluster struct {
	Namesrv *Server

	mu struct {
		sync.Mutex
		topics  map[string]int32 // queues at each broker
		brokers map[string]*Broker
		kv      map[string]string
	}
}

// Broker keeps messages in memory.
type Broker struct {
	*Server
	Name    string
	cluster *Cluster

	mu struct {
		sync.Mutex
		queues    map[protocol.MessageQueue]*queue
		offsets   map[string]int64 // by group and queue
		locks     map[string]string
		logOffset int64
		arrived   chan struct{} // closed with the next message
	}
}

type queue struct {
	records [][]byte
	min     int64
}

// NewCluster starts a nameserver and brokers with the given names.
func NewCluster(t testing.TB, brokers ...string) *Cluster {
	c := &Cluster{Namesrv: NewServer(t)}
	c.mu.topics = map[string]int32{protocol.AutoCreateTopicKey: 8}
	c.mu.brokers = make(map[string]*Broker)
	c.mu.kv = make(map[string]string)
	c.Namesrv.Handle(protocol.ReqGetRouteInfoByTopic, c.route)
	c.Namesrv.Handle(protocol.ReqGetBrokerClusterInfo, c.info)
	c.Namesrv.Handle(protocol.ReqGetAllTopicListFromNameServer, c.topicList)
	c.Namesrv.Handle(protocol.ReqDeleteTopicInNamesrv, Answer(OK(nil, nil)))
	c.Namesrv.Handle(protocol.ReqGetKVConfig, c.getKV)
	c.Namesrv.Handle(protocol.ReqPutKVConfig, c.putKV)
	c.Namesrv.Handle(protocol.ReqDeleteKVConfig, c.deleteKV)
	for _, name := range brokers {
		b := &Broker{Server: NewServer(t), Name: name, cluster: c}
		b.mu.queues = make(map[protocol.MessageQueue]*queue)
		b.mu.offsets = make(map[string]int64)
		b.mu.locks = make(map[string]string)
		b.mu.arrived = make(chan struct{})
		b.register()
		c.mu.brokers[name] = b
	}
	return c
}

// Broker returns a broker by name.
func (c *Cluster) Broker(name string) *Broker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.brokers[name]
}

// CreateTopic makes a topic with n queues at every broker.
func (c *Cluster) CreateTopic(topic string, n int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.topics[topic] = n
}

func bind[T any](req *remoting.Command) T {
	var h T
	_ = remoting.Bind(req.Ext, &h) // a missing field stays zero: the tests look at what matters
	return h
}

func (c *Cluster) route(_ context.Context, req *remoting.Command) *remoting.Command {
	topic := bind[protocol.GetRouteInfoRequest](req).Topic
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known := c.mu.topics[topic]
	if !known {
		return Refuse(protocol.RespTopicNotExist, "No topic route info in name server for the topic: "+topic+"\nSee the FAQ.")
	}
	perm := int32(protocol.PermRead | protocol.PermWrite)
	if topic == protocol.AutoCreateTopicKey {
		perm |= protocol.PermInherit
	}
	var data protocol.TopicRouteData
	for name, b := range c.mu.brokers {
		data.BrokerDatas = append(data.BrokerDatas, protocol.BrokerData{Cluster: ClusterName, BrokerName: name, BrokerAddrs: map[int64]string{0: b.Addr}})
		data.QueueDatas = append(data.QueueDatas, protocol.QueueData{BrokerName: name, ReadQueueNums: n, WriteQueueNums: n, Perm: perm})
	}
	return JSON(&data)
}

func (c *Cluster) info(context.Context, *remoting.Command) *remoting.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := protocol.ClusterInfo{BrokerAddrTable: make(map[string]protocol.BrokerData), ClusterAddrTable: make(map[string][]string)}
	for name, b := range c.mu.brokers {
		info.ClusterAddrTable[ClusterName] = append(info.ClusterAddrTable[ClusterName], name)
		info.BrokerAddrTable[name] = protocol.BrokerData{Cluster: ClusterName, BrokerName: name, BrokerAddrs: map[int64]string{0: b.Addr}}
	}
	return JSON(&info)
}

func (c *Cluster) topicList(context.Context, *remoting.Command) *remoting.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	return JSON(&protocol.TopicList{TopicList: slices.Collect(maps.Keys(c.mu.topics))})
}

func (c *Cluster) getKV(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.GetKVConfigRequest](req)
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.mu.kv[h.Namespace+"\x00"+h.Key]
	if !ok {
		return Refuse(protocol.RespQueryNotFound, "No config item")
	}
	return OK(&protocol.GetKVConfigResponse{Value: value}, nil)
}

func (c *Cluster) putKV(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.PutKVConfigRequest](req)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.kv[h.Namespace+"\x00"+h.Key] = h.Value
	return OK(nil, nil)
}

func (c *Cluster) deleteKV(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.DeleteKVConfigRequest](req)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.kv, h.Namespace+"\x00"+h.Key)
	return OK(nil, nil)
}

func (b *Broker) register() {
	b.Handle(protocol.ReqSendMessageV2, b.send)
	b.Handle(protocol.ReqSendBatchMessage, b.send)
	b.Handle(protocol.ReqPullMessage, b.pull)
	b.Handle(protocol.ReqGetMinOffset, b.minOffset)
	b.Handle(protocol.ReqGetMaxOffset, b.maxOffset)
	b.Handle(protocol.ReqSearchOffsetByTimestamp, b.search)
	b.Handle(protocol.ReqQueryConsumerOffset, b.queryOffset)
	b.Handle(protocol.ReqUpdateConsumerOffset, b.updateOffset)
	b.Handle(protocol.ReqHeartBeat, Answer(OK(nil, nil)))
	b.Handle(protocol.ReqUnregisterClient, Answer(OK(nil, nil)))
	b.Handle(protocol.ReqUpdateAndCreateTopic, b.updateTopic)
	b.Handle(protocol.ReqGetTopicConfig, b.topicConfig)
	b.Handle(protocol.ReqGetTopicStatsInfo, b.topicStats)
	b.Handle(protocol.ReqDeleteTopicInBroker, b.deleteTopic)
	b.Handle(protocol.ReqViewMessageByID, b.view)
	b.Handle(protocol.ReqQueryMessage, b.query)
	b.Handle(protocol.ReqLockBatchMQ, b.lock)
	b.Handle(protocol.ReqUnlockBatchMQ, b.unlock)
}

// queueLocked finds or makes a queue.
func (b *Broker) queueLocked(topic string, id int32) *queue {
	key := protocol.MessageQueue{Topic: topic, BrokerName: b.Name, QueueID: id}
	q := b.mu.queues[key]
	if q == nil {
		q = &queue{}
		b.mu.queues[key] = q
	}
	return q
}

// Expire drops the oldest n messages of a queue.
func (b *Broker) Expire(topic string, id int32, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queueLocked(topic, id).min += int64(n)
}

// Put stores a message; topic and queue come from m. It returns its queue offset.
func (b *Broker) Put(m message.Message) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.putLocked(m)
}

func (b *Broker) putLocked(m message.Message) int64 {
	q := b.queueLocked(m.Topic, m.QueueID)
	m.QueueOffset, m.PhysicalOffset = int64(len(q.records)), b.mu.logOffset
	if m.StoreTimestamp == 0 {
		m.StoreTimestamp = time.Now().UnixMilli()
	}
	m.StoreHost, m.BornHost = netip.MustParseAddrPort(b.Addr), netip.MustParseAddrPort("127.0.0.1:1")
	rec, err := message.AppendRecord(nil, &m, message.Options{})
	if err != nil {
		panic(err) // the test made an impossible message
	}
	message.Finish(rec, m.QueueOffset, m.PhysicalOffset, m.StoreTimestamp, message.Options{})
	q.records = append(q.records, rec)
	b.mu.logOffset += int64(len(rec))
	close(b.mu.arrived)
	b.mu.arrived = make(chan struct{})
	return m.QueueOffset
}

func (b *Broker) send(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.SendMessageRequest](req)
	b.cluster.mu.Lock()
	if _, known := b.cluster.mu.topics[h.Topic]; !known {
		b.cluster.mu.topics[h.Topic] = h.DefaultTopicQueueNums
	}
	b.cluster.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	m := message.Message{Topic: h.Topic, QueueID: h.QueueID, Flag: h.Flag, SysFlag: h.SysFlag, BornTimestamp: h.BornTimestamp, Properties: h.Properties, Body: req.Body}
	resp := protocol.SendMessageResponse{QueueID: h.QueueID, QueueOffset: -1}
	put := func() {
		resp.MsgID += message.OffsetID(netip.MustParseAddrPort(b.Addr), b.mu.logOffset) + ","
		if offset := b.putLocked(m); resp.QueueOffset < 0 {
			resp.QueueOffset = offset
		}
	}
	if !h.Batch {
		put()
	} else {
		for item, err := range message.BatchItems(req.Body) {
			if err != nil {
				return Refuse(protocol.RespMessageIllegal, err.Error())
			}
			m.Flag, m.Properties, m.Body = item.Flag, item.Properties, item.Body
			put()
		}
	}
	resp.MsgID = resp.MsgID[:len(resp.MsgID)-1]
	return OK(&resp, nil)
}

// pull serves without a filter and waits as long as the request allows.
func (b *Broker) pull(ctx context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.PullMessageRequest](req)
	timer := time.NewTimer(time.Duration(h.SuspendTimeoutMillis) * time.Millisecond)
	defer timer.Stop()
	for {
		b.mu.Lock()
		resp, arrived := b.pullLocked(h), b.mu.arrived
		b.mu.Unlock()
		if resp.Code != int32(protocol.RespPullNotFound) || h.SysFlag&protocol.PullSuspend == 0 {
			return resp
		}
		select {
		case <-arrived:
		case <-timer.C:
			return resp
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *Broker) pullLocked(h protocol.PullMessageRequest) *remoting.Command {
	q := b.queueLocked(h.Topic, h.QueueID)
	header := protocol.PullMessageResponse{NextBeginOffset: h.QueueOffset, MinOffset: q.min, MaxOffset: int64(len(q.records))}
	code := protocol.RespSuccess
	var body []byte
	switch {
	case h.QueueOffset < header.MinOffset:
		code, header.NextBeginOffset = protocol.RespPullOffsetMoved, header.MinOffset
	case h.QueueOffset > header.MaxOffset:
		code, header.NextBeginOffset = protocol.RespPullOffsetMoved, header.MaxOffset
	case h.QueueOffset == header.MaxOffset:
		code = protocol.RespPullNotFound
	default:
		end := min(h.QueueOffset+int64(h.MaxMsgNums), header.MaxOffset)
		body = bytes.Join(q.records[h.QueueOffset:end], nil)
		header.NextBeginOffset = end
	}
	resp := OK(&header, body)
	resp.Code = int32(code)
	return resp
}
