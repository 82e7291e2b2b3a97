package broker

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// FuzzRequests throws headers and bodies at the handlers of the send and pull
// paths. Whatever comes, there is one answer, and the broker still stores and
// finds a message afterwards.
func FuzzRequests(f *testing.F) {
	r := runRig(f)
	codes := []protocol.RequestCode{
		protocol.ReqSendMessage, protocol.ReqSendMessageV2, protocol.ReqSendBatchMessage, protocol.ReqConsumerSendMsgBack,
		protocol.ReqPullMessage, protocol.ReqLitePullMessage, protocol.ReqQueryConsumerOffset, protocol.ReqUpdateConsumerOffset,
		protocol.ReqGetMaxOffset, protocol.ReqSearchOffsetByTimestamp, protocol.ReqLockBatchMQ, protocol.ReqQueryMessage,
		protocol.ReqViewMessageByID, protocol.ReqQueryConsumeQueue, protocol.ReqSendReplyMessage,
	}
	f.Add(uint8(0), "T", "g", int64(0), int64(0), int64(4), "TAGS\x01a\x02", []byte("body"))
	f.Add(uint8(2), "%RETRY%g", "g", int64(-1), int64(-1), int64(128), "DELAY\x0199\x02", []byte{0, 0, 0, 22, 0})
	f.Add(uint8(4), "T", "g", int64(1), int64(1)<<62, int64(7), "||", []byte{})
	f.Add(uint8(10), "", "", int64(0), int64(0), int64(0), "", []byte(`{"mqSet":[null,{"queueId":"x"}]}`))
	f.Fuzz(func(t *testing.T, which uint8, topic, group string, queue, offset, flags int64, text string, body []byte) {
		p := r.dial(t)
		code := codes[int(which)%len(codes)]
		var ext remoting.Fields
		add := func(value string, names ...string) {
			for _, n := range names {
				ext = append(ext, remoting.Field{Key: n, Value: value})
			}
		}
		add(topic, "topic", "b", "originTopic")
		add(group, "producerGroup", "a", "consumerGroup", "group", "key")
		add("TBW102", "defaultTopic", "c")
		add(text, "properties", "i", "subscription", "indexType", "boundaryType")
		add(strconv.FormatInt(queue, 10), "queueId", "e", "maxMsgNums", "delayLevel", "reconsumeTimes", "j", "count", "maxNum")
		add(strconv.FormatInt(offset, 10), "queueOffset", "commitOffset", "offset", "timestamp", "bornTimestamp", "g", "index", "beginTimestamp", "endTimestamp")
		add(strconv.FormatInt(flags&^pullSuspend, 10), "sysFlag", "f", "flag", "h", "subVersion")
		add("4", "defaultTopicQueueNums", "d")
		add("0", "suspendTimeoutMillis")
		if code == protocol.ReqSendBatchMessage {
			add("true", "m")
		}
		frame, err := remoting.AppendCommand(nil, &remoting.Command{Code: int32(code), Version: protocol.Version, Opaque: 1000, Ext: ext, Body: body})
		if err != nil {
			return
		}
		p.raw(frame)
		answer := p.read()
		require.EqualValues(t, 1000, answer.Opaque)
		sent := p.send("Known", 0, "still here")
		_, _, found := p.pull(pullHeader("known", "Known", 0, sent.QueueOffset))
		require.Equal(t, []string{"still here"}, bodies(found))
	})
}
