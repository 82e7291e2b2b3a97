package namesrv

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

const plain = `{"filterServerList":["f"],"topicConfigSerializeWrapper":{"dataVersion":{"counter":2,"stateVersion":1,"timestamp":3},` +
	`"mappingDataVersion":{"counter":0,"stateVersion":0,"timestamp":3},"topicConfigTable":{"T":{"attributes":{},"order":false,"perm":6,` +
	`"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":1,"writeQueueNums":4}},` +
	`"topicQueueMappingDetailMap":{},"topicQueueMappingInfoMap":{"T":{"bname":"b","currIdMap":{0:1},"dirty":false,"epoch":5,"scope":"__global__","topic":"T","totalQueues":2}}}}`

var tenTopics = bodyLimits{10, maxInflated}

var wantMapping = protocol.TopicQueueMappingInfo{Topic: "T", Scope: "__global__", TotalQueues: 2, BName: "b", Epoch: 5, CurrIDMap: map[int32]int32{0: 1}}

// packed builds a compressed body; a number is written as such.
func packed(t testing.TB, items ...any) []byte {
	var buf bytes.Buffer
	z, err := zlib.NewWriterLevel(&buf, zlib.BestCompression)
	require.NoError(t, err)
	for _, item := range items {
		text, isText := item.(string)
		n := len(text)
		if !isText {
			n = item.(int)
		}
		require.NoError(t, binary.Write(z, binary.BigEndian, int32(n)))
		_, err := z.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return buf.Bytes()
}

const (
	versionJSON = `{"counter":2,"stateVersion":1,"timestamp":3}`
	mappingJSON = `{"bname":"b","currIdMap":{0:1},"dirty":false,"epoch":5,"scope":"__global__","topic":"T","totalQueues":2}`
)

func TestDecodePlainBody(t *testing.T) {
	b, err := decodeBody([]byte(plain), false, 513, tenTopics)
	require.NoError(t, err)
	require.Equal(t, &registerBody{
		version:  protocol.DataVersion{StateVersion: 1, Timestamp: 3, Counter: 2},
		topics:   []TopicEntry{{Topic: "T", Read: 8, Write: 4, Perm: 6, TopicSysFlag: 1}},
		mappings: []protocol.TopicQueueMappingInfo{wantMapping},
		filters:  []string{"f"},
	}, b)

	b, err = decodeBody([]byte(`{"topicConfigTable":{"T":{"perm":7}}}`), false, 36, tenTopics)
	require.NoError(t, err)
	require.Equal(t, []TopicEntry{{Topic: "T", Read: 16, Write: 16, Perm: 7}}, b.topics, "old brokers send the table itself, and fields have defaults")
	require.Nil(t, b.filters)

	b, err = decodeBody(nil, false, 513, tenTopics)
	require.NoError(t, err)
	require.Empty(t, b.topics)
	require.NotNil(t, b.filters)

	b, err = decodeBody([]byte(`{"topicConfigSerializeWrapper":null,"filterServerList":[]}`), false, 513, tenTopics)
	require.NoError(t, err)
	require.Empty(t, b.topics)
	require.NotNil(t, b.filters)
}

func TestDecodeCompressedBody(t *testing.T) {
	body := packed(t, versionJSON, 2, `T 8 4 6 SINGLE_TAG {"message.type":"FIFO"}`, "U 1 1 2 MULTI_TAG", `["f"]`, 1, mappingJSON)
	want := &registerBody{
		version:  protocol.DataVersion{StateVersion: 1, Timestamp: 3, Counter: 2},
		topics:   []TopicEntry{{Topic: "T", Read: 8, Write: 4, Perm: 6}, {Topic: "U", Read: 1, Write: 1, Perm: 2}},
		mappings: []protocol.TopicQueueMappingInfo{wantMapping},
		filters:  []string{"f"},
	}
	for _, flag := range []bool{true, false} {
		b, err := decodeBody(body, flag, 513, tenTopics)
		require.NoError(t, err)
		require.Equal(t, want, b, "found by its first byte when the flag is wrong")
	}
	b, err := decodeBody(packed(t, versionJSON, 0, "not json"), true, 412, tenTopics)
	require.NoError(t, err)
	require.Equal(t, []string{}, b.filters)
}

func TestBadBodies(t *testing.T) {
	for name, body := range map[string][]byte{
		"json":             []byte("{"),
		"not zlib":         []byte("x\x9c"),
		"cut":              packed(t, versionJSON, 2, "T 8 4 6 SINGLE_TAG")[:40],
		"fewer topics":     packed(t, versionJSON, 2, "T 8 4 6 SINGLE_TAG"),
		"too many topics":  packed(t, versionJSON, 11),
		"negative topics":  packed(t, versionJSON, -1),
		"long part":        packed(t, versionJSON, 1, maxPart+1),
		"bad version":      packed(t, "[", 0, "[]", 0),
		"no mappings":      packed(t, versionJSON, 0, "[]"),
		"bad mapping":      packed(t, versionJSON, 0, "[]", 1, "["),
		"missing mapping":  packed(t, versionJSON, 0, "[]", 1),
		"no filters":       packed(t, versionJSON, 0),
		"few fields":       packed(t, versionJSON, 1, "T 8 4 6", "[]", 0),
		"no number":        packed(t, versionJSON, 1, "T 8 x 6 SINGLE_TAG", "[]", 0),
		"number too great": packed(t, versionJSON, 1, "T 8 99999999999 6 SINGLE_TAG", "[]", 0),
		"no name":          packed(t, versionJSON, 1, " 8 4 6 SINGLE_TAG", "[]", 0),
	} {
		_, err := decodeBody(body, strings.HasPrefix(name, "not"), 513, tenTopics)
		require.ErrorIs(t, err, errBody, name)
	}
}

// A small body must not make the nameserver unpack without end.
func TestZipBomb(t *testing.T) {
	var buf bytes.Buffer
	z, err := zlib.NewWriterLevel(&buf, zlib.BestSpeed)
	require.NoError(t, err)
	part := append(binary.BigEndian.AppendUint32(nil, maxPart), make([]byte, maxPart)...)
	_, err = z.Write(binary.BigEndian.AppendUint32(nil, uint32(len(versionJSON))))
	require.NoError(t, err)
	_, err = z.Write([]byte(versionJSON))
	require.NoError(t, err)
	require.NoError(t, binary.Write(z, binary.BigEndian, int32(1000)))
	copy(part[4:], "T 1 1 6 SINGLE_TAG ")
	for range 9 {
		_, err = z.Write(part)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.Less(t, buf.Len(), 1<<20)
	_, err = decodeBody(buf.Bytes(), true, 513, bodyLimits{1000, 8 << 20})
	require.ErrorContains(t, err, "of 1000: unexpected EOF")
}

func TestCheckCRC(t *testing.T) {
	body := []byte("broker")
	sum := int32(crc32.ChecksumIEEE(body) & 0x7FFFFFFF)
	require.True(t, checkCRC(body, sum))
	require.True(t, checkCRC(body, 0))
	require.False(t, checkCRC(body, sum+1))
}

func FuzzDecodeBody(f *testing.F) {
	f.Add([]byte(plain), false, int32(513))
	f.Add([]byte(`{"topicConfigTable":{"T":{}}}`), false, int32(1))
	f.Add(packed(f, versionJSON, 1, "T 8 4 6 SINGLE_TAG {}", "[]", 1, mappingJSON), true, int32(513))
	f.Add(packed(f, versionJSON, -1), true, int32(513))
	f.Add([]byte("x\x9c"), false, int32(513))
	f.Fuzz(func(t *testing.T, body []byte, compressed bool, version int32) {
		b, err := decodeBody(body, compressed, version, bodyLimits{100, 1 << 20})
		if err == nil && (compressed || len(body) > 0 && body[0] == 0x78) {
			require.LessOrEqual(t, len(b.topics), 100)
		}
	})
}

// FuzzInflatedParts reaches the decoder behind the compression.
func FuzzInflatedParts(f *testing.F) {
	add := func(items ...any) {
		z, err := zlib.NewReader(bytes.NewReader(packed(f, items...)))
		require.NoError(f, err)
		var raw bytes.Buffer
		_, err = raw.ReadFrom(z)
		require.NoError(f, err)
		f.Add(raw.Bytes())
	}
	add(versionJSON, 1, "T 8 4 6 SINGLE_TAG {}", "[]", 1, mappingJSON)
	add(versionJSON, 2, "T 8 4", "[]")
	f.Fuzz(func(t *testing.T, raw []byte) {
		var buf bytes.Buffer
		z, err := zlib.NewWriterLevel(&buf, zlib.NoCompression)
		require.NoError(t, err)
		_, err = z.Write(raw)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		_, _ = decodeBody(buf.Bytes(), true, 513, bodyLimits{100, 1 << 20})
	})
}

func FuzzTopicText(f *testing.F) {
	for _, seed := range []string{"T 8 4 6 SINGLE_TAG", "T 8 4 6 SINGLE_TAG {}", "", "     ", "T 8 4 6"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseTopicText(text)
		if err == nil {
			require.NotEmpty(t, e.Topic)
			require.NotContains(t, e.Topic, " ")
		}
	})
}
