package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strconv"

	"github.com/klauspost/compress/zlib"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// registrationBytes is about how many bytes of topics go into one registration:
// half of what a frame holds.
const registrationBytes = protocol.MaxFrameBytes / 2

// askAbove is the number of topics from which a nameserver is asked whether it
// still has the last registration before all are sent again, also with
// forceRegister: the registration of 125,000 topics has 30 MB.
const askAbove = 4096

// register sends all topics, or those of the job, to a nameserver, and gives the
// version that it has then.
//
// A nameserver takes changed topics only with a version that differs from the one
// before, so each request of changes gets one. It is of no other use to it, nor
// are topics that were deleted here: that it still has the version that we sent
// last means that it lacks nothing, changes being sent by themselves.
func (r *registrar) register(ctx context.Context, j job) (protocol.DataVersion, error) {
	cfg := r.b.config()
	if j.topics != nil && cfg.EnableSingleTopic {
		return j.version, r.registerTopics(ctx, j)
	}
	if j.topics != nil {
		version := r.b.topics.Version() // before the topics: they may be newer, but not older
		list := r.find(j.topics)        // without what was deleted meanwhile
		return r.sendAll(ctx, j, version, list, len(list))
	}
	if j.ask && (!cfg.ForceRegister || r.b.topics.Len() > askAbove) {
		if changed, err := r.versionDiffers(ctx, j.addr, j.version); err != nil || !changed {
			return j.version, err
		}
	}
	version, list := r.b.topics.Snapshot()
	size := len(list)
	if cfg.EnableSplitRegistration {
		size = cfg.SplitRegistrationSize
	}
	if chunk(list, size) == len(list) {
		return version, r.send(ctx, j.addr, version, list)
	}
	return r.sendAll(ctx, j, version, list, size)
}

// sendAll sends topics in as many requests as it takes, at most limit in each,
// and gives the version of the last one.
func (r *registrar) sendAll(ctx context.Context, j job, version protocol.DataVersion, list []*protocol.TopicConfig, limit int) (protocol.DataVersion, error) {
	last := j.version
	for len(list) > 0 {
		if version == last {
			version.Timestamp++
		}
		n := chunk(list, limit)
		if err := r.send(ctx, j.addr, version, list[:n]); err != nil {
			return last, err
		}
		last, list = version, list[n:]
	}
	return last, nil
}

// chunk is how many of the first topics go into one request.
func chunk(list []*protocol.TopicConfig, limit int) int {
	total := 0
	for i, t := range list[:min(limit, len(list))] {
		total += 2*len(t.TopicName) + 200
		for k, v := range t.Attributes {
			total += len(k) + len(v) + 8
		}
		if total > registrationBytes && i > 0 {
			return i
		}
	}
	return min(limit, len(list))
}

func (r *registrar) find(names []string) (list []*protocol.TopicConfig) {
	slices.Sort(names)
	for _, name := range names {
		if t, ok := r.b.topics.Lookup(name); ok {
			list = append(list, t)
		}
	}
	return list
}

// send makes one REGISTER_BROKER request.
func (r *registrar) send(ctx context.Context, addr string, version protocol.DataVersion, list []*protocol.TopicConfig) error {
	cfg := r.b.config()
	list = limitPerm(list, int32(cfg.BrokerPermission))
	var body []byte
	if cfg.CompressedRegister {
		body = compressedBody(version, list)
	} else {
		body = javajson.Marshal(&protocol.RegisterBrokerBody{
			TopicConfigSerializeWrapper: protocol.TopicConfigAndMapping{TopicConfigTable: topicTable(list), DataVersion: version},
		})
	}
	header := &protocol.RegisterBrokerRequest{
		BrokerName: cfg.BrokerName, BrokerAddr: r.b.Advertised(), ClusterName: cfg.BrokerClusterName,
		HAServerAddr: r.b.haAddr(), BrokerID: cfg.BrokerID, EnableActingMaster: protocol.Some(false),
		Compressed: cfg.CompressedRegister, BodyCRC32: int32(crc32.ChecksumIEEE(body) & 0x7fffffff),
	}
	answer, err := r.invoke(ctx, addr, protocol.ReqRegisterBroker, header, body)
	if err != nil {
		return err
	}
	return r.adoptOrder(answer.Body)
}

// invoke makes a request that must succeed.
func (r *registrar) invoke(ctx context.Context, addr string, code protocol.RequestCode, header any, body []byte) (*remoting.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, r.b.config().RegisterBrokerTimeout)
	defer cancel()
	answer, err := r.client.Invoke(ctx, addr, &remoting.Command{
		Code: int32(code), Version: protocol.Version, Ext: remoting.AppendHeader(nil, header, false), Body: body,
	})
	if err = errors.Join(err, answerErr(answer)); err != nil {
		return nil, err
	}
	return answer, nil
}

// adoptOrder marks the topics as ordered that the nameserver's configuration says are.
func (r *registrar) adoptOrder(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	var table protocol.KVTable
	if err := javajson.Unmarshal(body, &table); err != nil {
		return err
	}
	topics := make([]string, 0, len(table.Table))
	for topic := range table.Table {
		topics = append(topics, topic)
	}
	r.b.topics.SetOrdered(topics)
	return nil
}

// limitPerm takes off what the broker's own permission does not allow.
func limitPerm(list []*protocol.TopicConfig, perm int32) []*protocol.TopicConfig {
	if protocol.Readable(perm) && protocol.Writable(perm) {
		return list
	}
	limited := make([]*protocol.TopicConfig, len(list))
	for i, t := range list {
		c := *t
		c.Perm &= perm
		limited[i] = &c
	}
	return limited
}

// versionDiffers asks whether the nameserver has another version of the topics.
func (r *registrar) versionDiffers(ctx context.Context, addr string, version protocol.DataVersion) (bool, error) {
	cfg := r.b.config()
	header := &protocol.QueryDataVersionRequest{
		BrokerName: cfg.BrokerName, BrokerAddr: r.b.Advertised(), ClusterName: cfg.BrokerClusterName, BrokerID: cfg.BrokerID,
	}
	answer, err := r.invoke(ctx, addr, protocol.ReqQueryDataVersion, header, javajson.Marshal(&version))
	if err != nil {
		return false, err
	}
	var out protocol.QueryDataVersionResponse
	if err := remoting.Bind(answer.Ext, &out); err != nil {
		return false, err
	}
	return out.Changed, nil
}

// registerTopics sends changed topics one by one (enableSingleTopicRegister).
func (r *registrar) registerTopics(ctx context.Context, j job) error {
	cfg := r.b.config()
	for _, t := range limitPerm(r.find(j.topics), int32(cfg.BrokerPermission)) {
		route := &protocol.TopicRouteData{QueueDatas: []protocol.QueueData{{
			BrokerName: cfg.BrokerName, ReadQueueNums: t.ReadQueueNums, WriteQueueNums: t.WriteQueueNums,
			Perm: t.Perm, TopicSysFlag: t.TopicSysFlag,
		}}}
		_, err := r.invoke(ctx, j.addr, protocol.ReqRegisterTopicInNamesrv, &protocol.RegisterTopicRequest{Topic: t.TopicName}, javajson.Marshal(route))
		if err != nil {
			return err
		}
	}
	return nil
}

// compressedBody is the other form of a registration's body (remoting.md 6.4):
// version, topics as text, filter servers and static topics, each with its length,
// in one zlib stream.
func compressedBody(version protocol.DataVersion, list []*protocol.TopicConfig) []byte {
	var plain []byte
	part := func(data []byte) {
		plain = binary.BigEndian.AppendUint32(plain, uint32(len(data)))
		plain = append(plain, data...)
	}
	part(javajson.Marshal(&version))
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(list)))
	for _, t := range list {
		part(topicText(t))
	}
	part([]byte("[]"))                              // filter servers
	plain = binary.BigEndian.AppendUint32(plain, 0) // static topics
	var out bytes.Buffer                            // writes to it do not fail
	z, _ := zlib.NewWriterLevel(&out, zlib.BestCompression)
	_, _ = z.Write(plain)
	_ = z.Close()
	return out.Bytes()
}

// topicText is a topic as one line of a compressed body.
func topicText(t *protocol.TopicConfig) []byte {
	line := append([]byte(t.TopicName), ' ')
	for _, n := range []int32{t.ReadQueueNums, t.WriteQueueNums, t.Perm} {
		line = strconv.AppendInt(line, int64(n), 10)
		line = append(line, ' ')
	}
	line = append(line, t.TopicFilterType.String()...)
	line = append(line, ' ')
	return append(line, javajson.Marshal(t.Attributes)...)
}
