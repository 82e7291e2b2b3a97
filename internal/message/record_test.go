package message

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Written by Apache RocketMQ 5.5.0.
const (
	javaV1 = "00000065DAA320A758932AAC000000030000000000000000000000050000000000000000000000000000018BCFE56800C0A8000100002A9F0000018BCFE56801C0A8000100002A9F0000000000000000000000000000000268690154000754414753014102"
	javaV2 = "00000066DAA320AB58932AAC000000030000000000000000000000050000000000000000000000000000018BCFE56800C0A8000100002A9F0000018BCFE56801C0A8000100002A9F000000000000000000000000000000026869000154000754414753014102"
	javaV6 = "0000007DDAA320A758932AAC000000030000000000000000000000050000000000000000000000300000018BCFE5680020010DB800000000000000000000000100002A9F0000018BCFE5680120010DB800000000000000000000000100002A9F0000000000000000000000000000000268690154000754414753014102"
)

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func sample(host string) Message {
	h := netip.MustParseAddrPort(host)
	return Message{
		Topic: "T", QueueID: 3, QueueOffset: 5, BornTimestamp: 1700000000000, BornHost: h,
		StoreTimestamp: 1700000000001, StoreHost: h, Properties: "TAGS\x01A\x02", Body: []byte("hi"),
	}
}

func TestRecordsAreJavas(t *testing.T) {
	for host, want := range map[string]string{"192.168.0.1:10911": javaV1, "[2001:db8::1]:10911": javaV6} {
		m := sample(host)
		got, err := AppendRecord(nil, &m, Options{})
		require.NoError(t, err)
		require.Equal(t, strings.ToLower(want), hex.EncodeToString(got))
		parsed, err := Verify(got, Options{})
		require.NoError(t, err)
		if parsed.SysFlag &^= FlagBornHostV6 | FlagStoreHostV6; true {
			require.Equal(t, m, parsed)
		}
		require.Equal(t, m.StoreTimestamp, StoreTimestampOf(got))
	}
	v2, err := Verify(unhex(t, javaV2), Options{})
	require.NoError(t, err)
	require.Equal(t, sample("192.168.0.1:10911"), v2)
}

func TestLongRetryTopicsUseVersion2(t *testing.T) {
	m := sample("127.0.0.1:1")
	m.Topic = "%RETRY%" + strings.Repeat("g", 200)
	rec, err := AppendRecord(nil, &m, Options{})
	require.NoError(t, err)
	_, magic, _ := Size(rec)
	require.Equal(t, MagicV2, magic)
	got, err := Verify(rec, Options{})
	require.NoError(t, err)
	require.Equal(t, m, got)
	m.Topic = strings.Repeat("g", 256)
	_, err = AppendRecord(nil, &m, Options{})
	require.ErrorIs(t, err, ErrTopicTooLong)
}

func TestFinishFillsOpenFields(t *testing.T) {
	for _, crc := range []bool{false, true} {
		for _, host := range []string{"10.0.0.1:1", "[::2]:65535"} {
			o := Options{CRC: crc}
			m := sample(host)
			m.QueueOffset, m.StoreTimestamp = 0, 0
			rec, err := AppendRecord(nil, &m, o)
			require.NoError(t, err)
			Finish(rec, 77, 1<<40, 1800000000000, o)
			got, err := Verify(rec, o)
			require.NoError(t, err)
			require.EqualValues(t, 77, got.QueueOffset)
			require.EqualValues(t, 1<<40, got.PhysicalOffset)
			require.EqualValues(t, 1800000000000, got.StoreTimestamp)
			if crc {
				rec[20]++
				_, err = Verify(rec, o)
				require.ErrorIs(t, err, ErrCorrupt)
			}
		}
	}
}

func TestCRCDigitsAreLeastSignificantFirst(t *testing.T) {
	m := sample("10.0.0.1:1")
	m.Properties = "TAGS\x01A" // no separator at the end
	rec, err := AppendRecord(nil, &m, Options{CRC: true})
	require.NoError(t, err)
	Finish(rec, 0, 0, 0, Options{CRC: true})
	require.Contains(t, string(rec), "TAGS\x01A\x02__CRC32#\x01")
	_, err = Verify(rec, Options{CRC: true})
	require.NoError(t, err)
}

func TestOffsetIDs(t *testing.T) {
	for host, want := range map[string]string{
		"192.168.0.1:10911":   "C0A8000100002A9F0000001122334455",
		"[2001:db8::1]:10911": "20010DB800000000000000000000000100002A9F0000001122334455",
	} {
		h := netip.MustParseAddrPort(host)
		require.Equal(t, want, OffsetID(h, 0x1122334455))
		gotHost, phy, err := ParseOffsetID(strings.ToLower(want))
		require.NoError(t, err)
		require.Equal(t, h, gotHost)
		require.EqualValues(t, 0x1122334455, phy)
	}
	for _, bad := range []string{"", "xyz", strings.Repeat("G", 32), strings.Repeat("0", 33)} {
		_, _, err := ParseOffsetID(bad)
		require.Error(t, err)
	}
}

func TestPropertiesAreParsedAsJavaDoes(t *testing.T) {
	got := map[string]string{}
	for k, v := range Properties("a\x01b\x02\x01novalue\x02empty\x01\x02plain\x02c\x01d") {
		got[k] = v
	}
	require.Equal(t, map[string]string{"a": "b", "c": "d"}, got)
	require.Equal(t, "c\x01d\x02a\x01z\x02", WithProperty("a\x01b\x02c\x01d\x02", "a", "z"))
	require.Equal(t, "c\x01d\x02", WithoutProperty("a\x01b\x02c\x01d\x02", "a"))
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{CRC: rapid.Bool().Draw(t, "crc")}
		text := rapid.StringMatching(`[A-Za-z0-9_%-]{1,140}`)
		hosts := rapid.SampledFrom([]string{"1.2.3.4:5", "[fe80::1]:65535", "127.0.0.1:0"})
		m := Message{
			Topic: text.Draw(t, "topic"), QueueID: rapid.Int32().Draw(t, "queue"), Flag: rapid.Int32().Draw(t, "flag"),
			SysFlag:       rapid.Int32().Draw(t, "sysflag") &^ (FlagBornHostV6 | FlagStoreHostV6),
			BornTimestamp: rapid.Int64().Draw(t, "born"), BornHost: netip.MustParseAddrPort(hosts.Draw(t, "bornHost")),
			StoreHost: netip.MustParseAddrPort(hosts.Draw(t, "storeHost")), ReconsumeTimes: rapid.Int32().Draw(t, "re"),
			Body: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "body"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			m.Properties = WithProperty(m.Properties, text.Draw(t, "k"), text.Draw(t, "v"))
		}
		rec, err := AppendRecord([]byte("before"), &m, o)
		require.NoError(t, err)
		Finish(rec[6:], 1, 2, 3, o)
		got, err := Verify(rec[6:], o)
		require.NoError(t, err)
		m.QueueOffset, m.PhysicalOffset, m.StoreTimestamp = 1, 2, 3
		got.SysFlag &^= FlagBornHostV6 | FlagStoreHostV6
		if o.CRC {
			got.Properties = WithoutProperty(got.Properties, PropCRC)
			got.Properties = strings.TrimSuffix(got.Properties, "")
		}
		require.Equal(t, m, got)
	})
}

func TestBatch(t *testing.T) {
	items := []BatchItem{{Flag: 1, Properties: "a\x01b\x02", Body: []byte("one")}, {Body: []byte("two")}}
	var batch []byte
	for _, it := range items {
		batch = AppendBatchItem(batch, it)
	}
	var got []BatchItem
	for it, err := range BatchItems(batch) {
		require.NoError(t, err)
		got = append(got, it)
	}
	require.Equal(t, items, got)
	for cut := 1; cut < len(batch); cut++ {
		var last error
		for _, last = range BatchItems(batch[:cut]) {
		}
		if cut != 22+3+4 {
			require.ErrorIs(t, last, ErrCorrupt)
		}
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	rec := unhex(t, javaV1)
	m := sample("1.2.3.4:5")
	buf := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p, err := Parse(rec)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := Property(p.Properties, PropTags); !ok || v != "A" {
			t.Fatal(v)
		}
		if buf, err = AppendRecord(buf[:0], &m, Options{}); err != nil {
			t.Fatal(err)
		}
	}))
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{javaV1, javaV2, javaV6} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, rec []byte) {
		m, err := Verify(rec, Options{})
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		for k, v := range Properties(m.Properties) {
			require.True(t, ValidProperty(k) || strings.ContainsRune(v, '\x01'))
		}
	})
}

func FuzzBatchItems(f *testing.F) {
	f.Add(AppendBatchItem(nil, BatchItem{Properties: "a\x01b\x02", Body: []byte("one")}))
	f.Fuzz(func(t *testing.T, batch []byte) {
		n := 0
		for it, err := range BatchItems(batch) {
			if err == nil {
				n += len(it.Body)
			}
		}
		require.LessOrEqual(t, n, len(batch))
	})
}

func FuzzParseOffsetID(f *testing.F) {
	f.Add("C0A8000100002A9F0000001122334455")
	f.Fuzz(func(t *testing.T, id string) {
		if host, phy, err := ParseOffsetID(id); err == nil {
			_ = OffsetID(host, phy)
		}
	})
}
