package broker

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// rig is a broker on the loopback interface with a store of its own.
type rig struct {
	*Broker
	cfg *config.Broker
}

// rigConfig is the configuration of a rig: small files in a temporary directory.
func rigConfig(t testing.TB, change ...func(*config.Broker)) *config.Broker {
	cfg := config.DefaultBroker()
	cfg.BrokerName, cfg.BrokerIP1, cfg.BindAddress, cfg.ListenPort = "broker-a", "127.0.0.1", "127.0.0.1", 0
	cfg.NamesrvAddr = ""
	cfg.StorePathRootDir = t.TempDir()
	cfg.CommitLogFileSize, cfg.MaxHashSlotNum, cfg.MaxIndexNum = 64<<20, 1000, 4000
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

// runRig starts a broker and stops it when the test ends.
func runRig(t testing.TB, change ...func(*config.Broker)) *rig {
	return runRigOn(t, rigConfig(t, change...))
}

func runRigOn(t testing.TB, cfg *config.Broker) *rig {
	b, err := New(Config{Broker: cfg, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, b.Start(context.Background()))
	r := &rig{Broker: b, cfg: cfg}
	t.Cleanup(r.shutdown)
	return r
}

func (r *rig) shutdown() {
	if err := r.Stop(context.Background()); err != nil {
		panic(err)
	}
}

// peer is a client that speaks frames.
type peer struct {
	t      testing.TB
	conn   net.Conn
	opaque int32
	short  bool // one-letter names
}

func (r *rig) dial(t testing.TB) *peer {
	conn, err := net.Dial("tcp", r.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t: t, conn: conn}
}

const answerWithin = 20 * time.Second

// write sends a request and returns its opaque.
func (p *peer) write(code protocol.RequestCode, header any, body []byte, flag int32) int32 {
	p.opaque++
	cmd := remoting.Command{Code: int32(code), Version: protocol.Version, Opaque: p.opaque, Flag: flag, Body: body}
	if header != nil {
		cmd.Ext = remoting.AppendHeader(nil, header, p.short)
	}
	frame, err := remoting.AppendCommand(nil, &cmd)
	require.NoError(p.t, err)
	p.raw(frame)
	return p.opaque
}

func (p *peer) raw(frame []byte) {
	_, err := p.conn.Write(frame)
	require.NoError(p.t, err)
}

func (p *peer) read() *remoting.Command {
	require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(answerWithin)))
	var size [4]byte
	_, err := io.ReadFull(p.conn, size[:])
	require.NoError(p.t, err)
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(p.conn, frame)
	require.NoError(p.t, err)
	var cmd remoting.Command
	require.NoError(p.t, remoting.DecodeCommand(frame, &cmd, new(remoting.Scratch)))
	return cmd.Clone()
}

// call sends a request and waits for its answer. Requests of the broker that
// come before it are passed over.
func (p *peer) call(code protocol.RequestCode, header any, body []byte) *remoting.Command {
	opaque := p.write(code, header, body, 0)
	answer := p.read()
	for !answer.IsResponse() {
		answer = p.read()
	}
	require.Equal(p.t, opaque, answer.Opaque)
	return answer
}

// ok is call for requests that must succeed; response is filled in when not nil.
func (p *peer) ok(code protocol.RequestCode, header, response any, body []byte) *remoting.Command {
	answer := p.call(code, header, body)
	require.EqualValues(p.t, protocol.RespSuccess, answer.Code, answer.Remark)
	if response != nil {
		require.NoError(p.t, remoting.Bind(answer.Ext, response))
	}
	return answer
}

func sendHeader(topic string, queue int32, props ...string) *protocol.SendMessageRequest {
	return &protocol.SendMessageRequest{
		ProducerGroup: "pg", Topic: topic, DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: queue,
		BornTimestamp: 1700000000000, Properties: encoded(props...),
	}
}

func (p *peer) send(topic string, queue int32, body string, props ...string) protocol.SendMessageResponse {
	var response protocol.SendMessageResponse
	p.ok(protocol.ReqSendMessage, sendHeader(topic, queue, props...), &response, []byte(body))
	return response
}

func pullHeader(group, topic string, queue int32, offset int64) *protocol.PullMessageRequest {
	return &protocol.PullMessageRequest{
		ConsumerGroup: group, Topic: topic, QueueID: queue, QueueOffset: offset, MaxMsgNums: 32,
		SysFlag: pullSubscription, Subscription: "*", ExpressionType: "TAG",
	}
}

// pull asks for messages and returns the answer with its header and records.
func (p *peer) pull(h *protocol.PullMessageRequest) (*remoting.Command, protocol.PullMessageResponse, []message.Message) {
	return p.pulled(p.call(protocol.ReqPullMessage, h, nil))
}

func (p *peer) pulled(answer *remoting.Command) (*remoting.Command, protocol.PullMessageResponse, []message.Message) {
	var response protocol.PullMessageResponse
	require.NoError(p.t, remoting.Bind(answer.Ext, &response))
	return answer, response, records(p.t, answer.Body)
}

func records(t testing.TB, body []byte) (all []message.Message) {
	for len(body) > 0 {
		m, err := message.Verify(body, message.Options{})
		require.NoError(t, err)
		size, _, _ := message.Size(body)
		all = append(all, m)
		body = body[size:]
	}
	return all
}

func bodies(messages []message.Message) (all []string) {
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

// subscribe makes a connection a member of a consumer group.
func (p *peer) subscribe(group, topic, expression string, model protocol.MessageModel) {
	sub := protocol.SubscriptionData{Topic: topic, ExpressionType: "TAG", SubVersion: 1}
	require.NoError(p.t, parseTags(&sub, expression))
	p.heartbeat(group, model, sub)
}

// heartbeat tells the subscriptions of a consumer group.
func (p *peer) heartbeat(group string, model protocol.MessageModel, subs ...protocol.SubscriptionData) {
	p.ok(protocol.ReqHeartBeat, nil, nil, javajson.Marshal(protocol.HeartbeatData{
		ClientID: "c1@" + p.conn.LocalAddr().String(),
		ConsumerDataSet: []protocol.ConsumerData{{
			GroupName: group, ConsumeType: protocol.ConsumePassively, MessageModel: model,
			SubscriptionDataSet: subs,
		}},
	}))
}

// property is one property of a message.
func property(m message.Message, name string) string {
	v, _ := message.Property(m.Properties, name)
	return v
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, condition func() bool) {
	require.Eventually(t, condition, answerWithin, time.Millisecond, what)
}

// frameOf decodes a vector written in hex over several lines.
func frameOf(t testing.TB, text string) []byte {
	frame, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return frame
}
