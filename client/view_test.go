package client

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zlib"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
)

// javaRecord was written by Java 5.5.0.
const javaRecord = "00000101daa320a7486a58b100000000000000070000000000000000000000000000000000000000000001a1fb554dd87f0000010000ed3e000001a1fb554e1b" +
	"7f000001000055970000000000000000000000000000000b68656c6c6f2073746f7265024e310099756b017576024d53475f524547494f4e0144656661756c74" +
	"526567696f6e02554e49515f4b455901464430303030303030303030303030303030303030303030303030303030303235384641333039343645303936364544" +
	"363544383030303002434c555354455201433102544147530154616741024b455953016b31206b32025741495401747275650254524143455f4f4e0174727565" +
	"02"

func record(t testing.TB, m message.Message) []byte {
	m.BornHost, m.StoreHost = netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.2:10911")
	rec, err := message.AppendRecord(nil, &m, message.Options{})
	require.NoError(t, err)
	message.Finish(rec, m.QueueOffset, m.PhysicalOffset, m.StoreTimestamp, message.Options{})
	return rec
}

func props(pairs ...string) string {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = message.AppendProperty(b, pairs[i], pairs[i+1])
	}
	return string(b)
}

func TestDecodeMessages(t *testing.T) {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write([]byte("plain"))
	require.NoError(t, w.Close())
	records := record(t, message.Message{
		Topic: "T", QueueID: 3, QueueOffset: 7, PhysicalOffset: 0x1122334455, Flag: 9, BornTimestamp: 1000, StoreTimestamp: 2000, ReconsumeTimes: 2,
		Properties: props("TAGS", "a", "KEYS", "k1 k2", "UNIQ_KEY", "ID1", "x", "y"), Body: []byte("body"),
	})
	records = append(records, record(t, message.Message{Topic: "T", SysFlag: 0x301, Body: packed.Bytes()})...)

	views, err := DecodeMessages(records, "broker-a")
	require.NoError(t, err)
	require.Len(t, views, 2)
	m := views[0]
	require.Equal(t, Queue{Topic: "T", Broker: "broker-a", ID: 3}, m.Queue)
	require.Equal(t, "ID1", m.ID())
	require.Equal(t, "0A00000200002A9F0000001122334455", m.OffsetID())
	require.Equal(t, "a", m.Tag())
	require.Equal(t, []string{"k1", "k2"}, m.Keys())
	require.Equal(t, "T", m.Topic())
	require.Equal(t, "body", string(m.Body))
	require.Equal(t, "y", m.Properties["x"])
	require.EqualValues(t, 7, m.Offset)
	require.EqualValues(t, 9, m.Flag)
	require.Equal(t, time.UnixMilli(1000), m.BornAt)
	require.Equal(t, time.UnixMilli(2000), m.StoredAt)
	require.EqualValues(t, 2, m.ReconsumeTimes)

	require.Equal(t, "plain", string(views[1].Body))
	require.Equal(t, views[1].OffsetID(), views[1].ID(), "no unique id")
}

func TestDecodeRecordOfJava(t *testing.T) {
	rec, err := hex.DecodeString(javaRecord)
	require.NoError(t, err)
	views, err := DecodeMessages(rec, "b")
	require.NoError(t, err)
	m := views[0]
	require.Equal(t, "N1", m.Topic())
	require.Equal(t, "hello store", string(m.Body))
	require.Equal(t, "TagA", m.Tag())
	require.Equal(t, []string{"k1", "k2"}, m.Keys())
	require.Equal(t, "FD00000000000000000000000000000258FA30946E0966ED65D80000", m.ID())
	require.Equal(t, "7F000001000055970000000000000000", m.OffsetID())
	require.Equal(t, time.UnixMilli(1795218034136), m.BornAt)
	require.Equal(t, 257, m.Size)
	require.EqualValues(t, 7, m.Flag)
}

func TestDecodeInnerBatch(t *testing.T) {
	var batch []byte
	for _, body := range []string{"one", "two", "three"} {
		batch = message.AppendBatchItem(batch, message.BatchItem{Flag: 4, Properties: props("TAGS", body), Body: []byte(body)})
	}
	rec := record(t, message.Message{
		Topic: "T", SysFlag: message.FlagInnerBatch | message.FlagNeedUnwrap, QueueOffset: 10,
		Properties: props("INNER_BASE", "20", "INNER_NUM", "3"), Body: batch,
	})
	views, err := DecodeMessages(rec, "b")
	require.NoError(t, err)
	require.Len(t, views, 3)
	for i, body := range []string{"one", "two", "three"} {
		require.Equal(t, body, string(views[i].Body))
		require.Equal(t, body, views[i].Tag())
		require.EqualValues(t, 20+i, views[i].Offset)
		require.Zero(t, views[i].SysFlag)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := record(t, message.Message{Topic: "T", Body: []byte("x")})
	for name, b := range map[string][]byte{
		"cut off":        good[:len(good)-1],
		"too short":      {1, 2, 3},
		"size zero":      make([]byte, 100),
		"not compressed": record(t, message.Message{Topic: "T", SysFlag: 1, Body: []byte("x")}),
		"no batch":       record(t, message.Message{Topic: "T", SysFlag: 0xC0, Body: []byte("x")}),
	} {
		_, err := DecodeMessages(append(bytes.Clone(good), b...), "b")
		require.Error(t, err, name)
		require.ErrorContains(t, err, "at byte", name)
	}
}

func FuzzDecodeMessages(f *testing.F) {
	f.Add(record(f, message.Message{Topic: "T", Body: []byte("x"), Properties: props("TAGS", "a")}))
	f.Add(record(f, message.Message{Topic: "T", SysFlag: 0xC0, Body: []byte("x")}))
	f.Add(record(f, message.Message{Topic: strings.Repeat("T", 200), SysFlag: 0x101, Body: []byte("x")}))
	if rec, err := hex.DecodeString(javaRecord); err == nil {
		f.Add(rec)
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		views, _ := DecodeMessages(b, "b")
		for _, v := range views {
			_, _, _ = v.ID(), v.Tag(), v.Keys()
		}
	})
}
