package remoting

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/protocol"
)

// The expectations were taken from RemotingSerializable.decode of Java 5.5.0 with
// fastjson2 2.0.59.
func TestJSONHeaderDialect(t *testing.T) {
	type want = Command
	cases := []struct {
		in   string
		want want
	}{
		{`{}`, want{}},
		{" {\"code\":105} \n\t", want{Code: 105}},
		{"{\"code\":\f\b7}\x00\x00", want{Code: 7}},
		{"\x00{\"code\" : 7}", want{Code: 7}},
		{`{"code":"105"}`, want{Code: 105}},
		{`{"code":'5'}`, want{Code: 5}},
		{`{'code':105}`, want{Code: 105}},
		{`{"code":105.0}`, want{Code: 105}},
		{`{"code":105.7}`, want{Code: 105}},
		{`{"code":"5.0"}`, want{Code: 5}},
		{`{"code":1e2}`, want{Code: 100}},
		{`{"code":1e20}`, want{Code: math.MaxInt32}},
		{`{"code":-1e20}`, want{Code: math.MinInt32}},
		{`{"code":7.}`, want{Code: 7}},
		{`{"code":.7}`, want{}},
		{`{"code":+5,"flag":005}`, want{Code: 5, Flag: 5}},
		{`{"code":"","flag":null}`, want{}},
		{`{"code":true,"flag":false}`, want{Code: 1}},
		{`{"code":"true"}`, want{Code: 1}},
		{`{"opaque":-5}`, want{Opaque: -5}},
		{`{"opaque":-2147483648}`, want{Opaque: math.MinInt32}},
		{`{"opaque":"-5"}`, want{Opaque: -5}},
		{`{"code":105,}`, want{Code: 105}},
		{`{"code":7 "flag":1}`, want{Code: 7, Flag: 1}},
		{`{"code":1,"code":2}`, want{Code: 2}},
		{`{"Code":7,"CODE":7,"OPAQUE":7}`, want{}},
		{`{"co\u0064e":7}`, want{Code: 7}},
		{`{"language":"GO"}`, want{Language: protocol.LanguageGo}},
		{`{"language":"go"}`, want{Language: protocol.LanguageGo}},
		{`{"language":9}`, want{Language: protocol.LanguageGo}},
		{`{"language":"9"}`, want{Language: protocol.LanguageGo}},
		{`{"language":9.0}`, want{Language: protocol.LanguageGo}},
		{`{"language":"XX"}`, want{Language: protocol.LanguageNone}},
		{`{"language":""}`, want{Language: protocol.LanguageNone}},
		{`{"language":null}`, want{Language: protocol.LanguageNone}},
		{`{"remark":5}`, want{Remark: "5"}},
		{`{"remark":null}`, want{}},
		{`{"remark":true}`, want{Remark: "true"}},
		{`{"remark":{"a":1}}`, want{Remark: `{"a":1}`}},
		{`{"remark":[1]}`, want{Remark: "[1]"}},
		{`{"remark":"a\u0001\n\/\b\f\r\t\"\'\x41\1\v\0\\"}`, want{Remark: "a\x01\n/\b\f\r\t\"'A\x01\v\x00\\"}},
		{"{\"remark\":\"a\nb\tc\x01\"}", want{Remark: "a\nb\tc\x01"}},
		{`{"remark":"\ud83d\ude00 \u00e9 \u4e2d"}`, want{Remark: "😀 é 中"}},
		{`{"remark":"\ud83d x \ude00\ud83d\u0041"}`, want{Remark: "? x ??A"}},
		{`{"unknown":{"a":[1,{"b":null}],"c":"}"},"code":7}`, want{Code: 7}},
		{`{"unknown":'a"b',"code":7}`, want{Code: 7}},
		{`{"@type":"java.lang.Object","$ref":"$","code":7}`, want{Code: 7}},
		{`{"flag":2,"serializeTypeCurrentRPC":"XX"}`, want{Flag: 2}},
		{`{"extFields":null}`, want{}},
		{`{"extFields":""}`, want{}},
		{`{"extFields":{}}`, want{Ext: Fields{}}},
		{`{"extFields":{"a":"x",}}`, want{Ext: Fields{{"a", "x"}}}},
		{`{"extFields":{"a":"1"},"extFields":{"b":"2"}}`, want{Ext: Fields{{"b", "2"}}}},
		{
			`{"extFields":{"a":1,"b":true,"c":null,"d":1.50,"f":{"x":1},"g":[1,"2"],"h":'q',"i":""}}`,
			want{Ext: Fields{{"a", "1"}, {"b", "true"}, {"d", "1.50"}, {"f", `{"x":1}`}, {"g", `[1,"2"]`}, {"h", "q"}, {"i", ""}}},
		},
		{`{"extFields":{"d3":12345678901234567890}}`, want{Ext: Fields{{"d3", "12345678901234567890"}}}},
	}
	for _, tc := range cases {
		require.Equal(t, tc.want, *mustDecode(t, jsonFrame(tc.in, "")), tc.in)
	}
}

func TestJSONHeaderErrors(t *testing.T) {
	for _, in := range []string{
		"", "null", "5", `"x"`, "[]", `[{"code":105}]`, "{", `{"code"`, `{"code":`, `{"code":105`, `{"code":"1`,
		`{"code":105}x`, `{"code":105}}`, `{"code":105} {}`, `{"code":7}]`, `{code:105}`, `{,"code":105}`,
		`{"code":105,,"flag":1}`, `{"code":7;"flag":1}`, `{"code"7}`, `{"code":--7}`, `{"code":0x10}`, `{"code":0x1p-2}`,
		`{"code":"x"}`, `{"code":" 5"}`, `{"code":3000000000}`, `{"code":"3000000000"}`, `{"code":9999999999999}`,
		`{"code":99999999999999999999999}`, `{"code":NaN}`, `{"code":Inf}`, `{"code":1_000}`, `{"version":"V5"}`,
		`{"language":99}`, `{"language":-1}`, `{"language":256}`, `{"language":255}`, `{"language":{}}`, `{"language":nil}`,
		`{"remark":"\a"}`, `{"remark":"\q"}`, `{"remark":"\`, `{"remark":"\u00`, `{"remark":"\u00zz"}`, `{"remark":"\x4"}`,
		`{"remark":"\ud83d\u00"}`, `{"remark":"\ud83d\`,
		`{"unknown":tru}`, `{"unknown":undefined}`, `{"unknown":1.2.3}`, `{"unknown":new Date(1)}`, `{"unknown":{,}}`,
		`{"extFields":"x"}`, `{"extFields":[]}`, `{"extFields":5}`, `{"extFields":{1:"x"}}`, `{"extFields":{"a":}}`,
		"\ufeff{}", "{\"code\":\v7}", "{\"code\":\u00a07}",
		`{"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}",
		`{"extFields":{` + strings.Repeat(`"":1,`, maxFields+1) + "}}",
	} {
		var cmd Command
		require.ErrorIs(t, DecodeCommand(jsonFrame(in, ""), &cmd, &Scratch{}), ErrMalformed, in)
	}
}

func TestQuoteOrBackslashAgreesWithALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{'"', '\'', '\\', 'a', '#', '!', ']', '[', 0, 0x80, 0xff, 0xa2, 0xdc}), 0, 40).Draw(t, "b")
		quote := rapid.SampledFrom([]byte{'"', '\''}).Draw(t, "quote")
		require.Equal(t, strings.IndexAny(latin1(b), latin1([]byte{quote, '\\'})), runeIndex(b, quoteOrBackslash(b, quote)))
	})
}

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// runeIndex translates an index of b to one of latin1(b).
func runeIndex(b []byte, i int) int {
	if i < 0 {
		return i
	}
	return len(latin1(b[:i]))
}

func TestBinaryHeaderLimits(t *testing.T) {
	good := vector(t, "send_request_binary")[4:]
	set := func(at int, b ...byte) []byte {
		f := append([]byte(nil), good...)
		copy(f[at:], b)
		return f
	}
	const fixed = markBytes // where the header starts
	bad := map[string][]byte{
		"remark beyond header":   set(fixed+13, 0, 0, 0x10, 0),
		"remark negative":        set(fixed+13, 0xff, 0, 0, 0),
		"fields beyond header":   set(fixed+17, 0, 0, 0, 0xce),
		"key beyond fields":      set(fixed+21, 0x7f, 0xff),
		"key negative":           set(fixed+21, 0x80, 0),
		"value beyond fields":    set(fixed+24, 0, 0, 0x10, 0),
		"value negative":         set(fixed+24, 0xff, 0xff, 0xff, 0xff),
		"cut in value length":    set(fixed+17, 0, 0, 0, 5),
		"cut in key length":      set(fixed+17, 0, 0, 0, 1),
		"header shorter than 21": {1, 0, 0, 20, 19: 0, 23: 0},
		"header beyond frame":    set(1, 0xff, 0, 0),
		"codec 2":                set(0, 2),
		"short":                  {1, 0, 0},
	}
	for name, f := range bad {
		var cmd Command
		require.ErrorIs(t, DecodeCommand(f, &cmd, &Scratch{}), ErrMalformed, name)
	}
	cmd := mustDecode(t, set(fixed+17, 0, 0, 0, 0))
	require.Nil(t, cmd.Ext)
	require.Nil(t, mustDecode(t, set(fixed+17, 0xff, 0, 0, 0)).Ext)
	require.Equal(t, int32(-2), mustDecode(t, set(fixed, 0xff, 0xfe)).Code)
	require.Equal(t, protocol.LanguageNone, mustDecode(t, set(fixed+2, 77)).Language)
	var one Command // an empty value is null
	require.NoError(t, DecodeCommand(append([]byte{1, 0, 0, 21 + 7}, append(make([]byte, 17), 0, 0, 0, 7, 0, 1, 'a', 0, 0, 0, 0)...), &one, &Scratch{}))
	require.Empty(t, one.Ext)
}

func TestSplitFrame(t *testing.T) {
	whole := vector(t, "pull_request")
	for n := range len(whole) {
		frame, consumed, need, err := splitFrame(whole[:n], MaxFrame)
		require.NoError(t, err)
		require.Zero(t, consumed)
		require.Nil(t, frame)
		if n >= 4 {
			require.Equal(t, len(whole), need)
		}
	}
	for _, length := range []string{"\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x80\x00\x00\x00", "\x00\xff\xff\xfd", "\x7f\xff\xff\xff"} {
		_, _, _, err := splitFrame([]byte(length), MaxFrame)
		require.ErrorIs(t, err, ErrMalformed, "%x", length)
	}
	_, consumed, need, err := splitFrame([]byte("\x00\xff\xff\xfc"), MaxFrame)
	require.NoError(t, err)
	require.Zero(t, consumed)
	require.Equal(t, MaxFrame, need)
}

func genCommand(codec Codec) *rapid.Generator[*Command] {
	return rapid.Custom(func(t *rapid.T) *Command {
		text := rapid.String()
		if codec == CodecBinary {
			text = rapid.StringN(1, -1, -1)
		}
		c := &Command{
			Codec: codec, Language: protocol.Language(rapid.IntRange(0, 13).Draw(t, "language")),
			Opaque: rapid.Int32().Draw(t, "opaque"), Flag: rapid.Int32().Draw(t, "flag"),
			Code: int32(rapid.Int16().Draw(t, "code")), Version: int32(rapid.Int16().Draw(t, "version")),
			Remark: rapid.String().Draw(t, "remark"),
		}
		if codec == CodecJSON {
			c.Code, c.Version = rapid.Int32().Draw(t, "code32"), rapid.Int32().Draw(t, "version32")
		}
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			c.Ext = append(c.Ext, Field{text.Draw(t, "key"), text.Draw(t, "value")})
		}
		if b := rapid.SliceOf(rapid.Byte()).Draw(t, "body"); len(b) > 0 {
			c.Body = b
		}
		return c
	})
}

func TestCommandsSurviveARoundTrip(t *testing.T) {
	for _, codec := range []Codec{CodecJSON, CodecBinary} {
		rapid.Check(t, func(t *rapid.T) {
			want := genCommand(codec).Draw(t, "command")
			frame, err := AppendCommand([]byte("before"), want)
			require.NoError(t, err)
			var got Command
			require.NoError(t, DecodeCommand(frame[len("before")+4:], &got, &Scratch{}))
			require.Equal(t, want, &got)
			require.Equal(t, want, got.Clone())
		})
	}
}

func TestEncodeRefusesWhatDoesNotFit(t *testing.T) {
	dst := []byte("kept")
	for _, cmd := range []*Command{
		{Codec: CodecBinary, Code: 200050},
		{Codec: CodecBinary, Version: 40000},
		{Codec: CodecBinary, Ext: Fields{{strings.Repeat("k", 40000), "v"}}},
		{Codec: 7},
		{Body: make([]byte, MaxFrame)},
	} {
		got, err := AppendCommand(dst, cmd)
		require.Error(t, err)
		require.Equal(t, "kept", string(got))
	}
}
