package javajson

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMarshal(t *testing.T) {
	check := func(v any, want string) {
		t.Helper()
		require.Equal(t, want, string(Marshal(v)))
	}
	yes := true
	check(map[int64]string{10: "c", 0: "a", 2: "b", -1: "z"}, `{-1:"z",0:"a",2:"b",10:"c"}`)
	check(map[queue]int64{{"t", "b", 10}: 1, {"t", "b", 9}: 2, {"s", "c", 0}: 3},
		`{{"brokerName":"b","queueId":9,"topic":"t"}:2,{"brokerName":"b","queueId":10,"topic":"t"}:1,{"brokerName":"c","queueId":0,"topic":"s"}:3}`)
	check(map[string]*int{"b": nil, "a": new(int)}, `{"a":0}`)
	check([]any{nil, true, 1, int8(-1), uint64(math.MaxUint64), 1.5, "x", []string{}, []string(nil), map[string]int{}, &yes},
		`[null,true,1,-1,18446744073709551615,1.5,"x",[],null,{},true]`)
	check(nil, `null`)
	check((*all)(nil), `null`)
	check([2]int{1, 2}, `[1,2]`)
	check([]byte{1, 2}, `"AQI="`)
	check([]color{1, 0, 2}, `["RED",null,"GREEN"]`)
	check(all{}, `{"big":0,"inner":0,"name":"","on":false,"perm":0,"ratio":0.0,"small":0,"tps":0.0}`)
	check(struct {
		Null   map[string]int `json:"a"`
		Empty  map[string]int `json:"b" java:"always"`
		List   []int          `json:"c" java:"always"`
		Left   []int          `json:"d,omitempty"`
		Out    string         `json:"e,omitempty"`
		Zero   color          `json:"f"`
		Set    color          `json:"g"`
		Unread string         `json:"h" java:"decodeonly"`
		Ptr    *bool          `json:"i"`
		Any    any            `json:"j"`
	}{Left: []int{}, Set: 1, Unread: "x", Ptr: &yes}, `{"b":{},"c":[],"g":"RED","i":true}`)
	require.Equal(t, `x{0:"a"}`, string(AppendMarshal([]byte("x"), map[int]string{0: "a"})))
}

func TestMarshalStandard(t *testing.T) {
	require.Equal(t, `{"brokerAddrs":{"0":"1.2.3.4:10911","1":"x"}}`, string(MarshalStandard(struct {
		Addrs map[int64]string `json:"brokerAddrs"`
	}{map[int64]string{1: "x", 0: "1.2.3.4:10911"}})))
	require.Equal(t, `{{"brokerName":"b","queueId":1,"topic":"t"}:5}`, string(MarshalStandard(map[queue]int64{{"t", "b", 1}: 5})))
}

func TestMarshalPretty(t *testing.T) {
	type config struct {
		Attributes map[string]string          `json:"attributes" java:"always"`
		Order      bool                       `json:"order"`
		Offsets    map[string]map[int32]int64 `json:"offsetTable"`
		List       []int                      `json:"list"`
	}
	got := MarshalPretty(config{Offsets: map[string]map[int32]int64{"t@g": {0: 5, 10: 6}}, List: []int{1, 2}})
	want := `{
	"attributes":{},
	"list":[
		1,
		2
	],
	"offsetTable":{
		"t@g":{
			"0":5,
			"10":6
		}
	},
	"order":false
}`
	require.Equal(t, want, string(got))
	require.True(t, json.Valid(got))
}

// TestStringsOfJava is what fastjson2 writes for all characters that could need
// an escape.
func TestStringsOfJava(t *testing.T) {
	var in strings.Builder
	for c := range rune(0xa1) {
		in.WriteRune(c)
	}
	in.WriteString("\u2028\u2029\ufeff中文/<>&'\"\\😀")
	var want strings.Builder
	want.WriteString(`"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f\u0010\u0011\u0012\u0013` +
		`\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f !\"#$%&'()*+,-./0123456789:;<=>?@` +
		`ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_` + "`abcdefghijklmnopqrstuvwxyz{|}~")
	for c := rune(0x7f); c <= 0xa0; c++ {
		want.WriteRune(c)
	}
	want.WriteString("\u2028\u2029\ufeff中文/<>&'" + `\"\\😀"`)
	require.Equal(t, want.String(), string(Marshal(in.String())))
	require.Equal(t, "\"a\ufffdb\"", string(Marshal("a\xffb")))
}

// TestFloatsOfJava is what fastjson2 writes for doubles and floats.
func TestFloatsOfJava(t *testing.T) {
	for _, c := range []struct {
		f            float64
		asDouble, as string
	}{
		{0, "0.0", "0.0"},
		{1, "1.0", "1.0"},
		{-1, "-1.0", "-1.0"},
		{1.5, "1.5", "1.5"},
		{0.1, "0.1", "0.1"},
		{123456.789, "123456.789", "123456.79"},
		{1e6, "1000000.0", "1000000.0"},
		{9999999, "9999999.0", "9999999.0"},
		{1e7, "1.0E7", "1.0E7"},
		{12345678.9, "1.23456789E7", "1.2345679E7"},
		{1.2e17, "1.2E17", "1.2E17"},
		{1e22, "1.0E22", "1.0E22"},
		{1e-3, "0.001", "0.001"},
		{1e-4, "1.0E-4", "1.0E-4"},
		{1.23e-5, "1.23E-5", "1.23E-5"},
		{math.MaxFloat64, "1.7976931348623157E308", "null"},
		{math.Copysign(0, -1), "-0.0", "-0.0"},
		{math.NaN(), "null", "null"},
		{math.Inf(1), "null", "null"},
		{1.0 / 3, "0.3333333333333333", "0.33333334"},
		{3.4e38, "3.4E38", "3.4E38"},
	} {
		require.Equal(t, c.asDouble, string(Marshal(c.f)))
		require.Equal(t, c.as, string(Marshal(float32(c.f))))
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) }).Draw(t, "f")
		var back float64
		require.NoError(t, Unmarshal(Marshal(f), &back))
		require.Equal(t, f, back)
	})
}

// TestRoundTrip is invariant 5 for arbitrary values.
func TestRoundTrip(t *testing.T) {
	type value struct {
		S map[string]string   `json:"s"`
		I map[int64][]int32   `json:"i"`
		Q map[queue]float64   `json:"q"`
		U []uint64            `json:"u"`
		P *string             `json:"p"`
		B []byte              `json:"b"`
		N map[string][]*queue `json:"n"`
	}
	text := rapid.String()
	gen := rapid.Custom(func(t *rapid.T) value {
		q := rapid.Custom(func(t *rapid.T) queue {
			return queue{text.Draw(t, "topic"), text.Draw(t, "broker"), rapid.Int32().Draw(t, "id")}
		})
		finite := rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) })
		return value{
			S: rapid.MapOf(text, text).Draw(t, "s"),
			I: rapid.MapOf(rapid.Int64(), rapid.SliceOf(rapid.Int32())).Draw(t, "i"),
			Q: rapid.MapOf(q, finite).Draw(t, "q"),
			U: rapid.SliceOf(rapid.Uint64Max(math.MaxInt64)).Draw(t, "u"),
			P: rapid.Ptr(text, true).Draw(t, "p"),
			B: rapid.SliceOf(rapid.Byte()).Draw(t, "b"),
			N: rapid.MapOf(text, rapid.SliceOf(rapid.Ptr(q, true))).Draw(t, "n"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		v := gen.Draw(t, "v")
		for _, write := range []func(any) []byte{Marshal, MarshalStandard, MarshalPretty} {
			var back value
			require.NoError(t, Unmarshal(write(v), &back))
			require.Equal(t, v, back)
		}
	})
}
