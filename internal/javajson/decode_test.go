package javajson

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

type queue struct {
	Topic  string `json:"topic"`
	Broker string `json:"brokerName"`
	ID     int32  `json:"queueId"`
}

// color is an enumeration that has a null.
type color uint8

func (c color) MarshalText() ([]byte, error) {
	return []byte([]string{"", "RED", "GREEN"}[c%3]), nil
}

func (c *color) UnmarshalText(text []byte) error {
	switch strings.ToUpper(string(text)) {
	case "RED", "0":
		*c = 1
	case "GREEN", "1":
		*c = 2
	case "FAIL":
		return errors.New("no such color")
	default:
		*c = 0
	}
	return nil
}

type policy struct {
	Max  int32 `json:"max"`
	Next []int `json:"next"`
}

func (p *policy) SetJSONDefaults() { p.Max, p.Next = 16, []int{1, 2} }

type base struct {
	Name  string `json:"name"`
	Inner int    `json:"inner"`
}

type all struct {
	base
	Name     string            `json:"name"`
	Perm     int32             `json:"perm"`
	Big      int64             `json:"big"`
	Small    uint8             `json:"small"`
	On       bool              `json:"on"`
	TPS      float64           `json:"tps"`
	Ratio    float32           `json:"ratio"`
	Addrs    map[int64]string  `json:"addrs"`
	Table    map[string]string `json:"table"`
	Offsets  map[queue]int64   `json:"offsets"`
	Tags     []string          `json:"tags"`
	Queues   []queue           `json:"queues"`
	Color    color             `json:"color"`
	Colors   []color           `json:"colors"`
	Policy   *policy           `json:"policy"`
	Policies map[string]policy `json:"policies"`
	Yes      *bool             `json:"yes"`
	Bits     []byte            `json:"bits"`
	Alt      string            `json:"a,omitempty" java:"alt=alternative"`
	Legacy   string            `json:"legacy" java:"decodeonly"`
	Any      any               `json:"any"`
	hidden   int
	Untagged int
	Ignored  int `json:"-"`
}

func decode(t *testing.T, text string) all {
	t.Helper()
	var v all
	require.NoError(t, Unmarshal([]byte(text), &v), text)
	return v
}

// TestAcceptance goes through what fastjson accepts beyond JSON.
func TestAcceptance(t *testing.T) {
	check := func(text string, want all) {
		t.Helper()
		require.Equal(t, want, decode(t, text), text)
	}
	yes := true

	// Keys without quotes, objects as keys, single quotes, trailing commas.
	check(`{"addrs":{0:"1.2.3.4:10911","1":"b",'2':"c",-3:'d'}}`, all{Addrs: map[int64]string{0: "1.2.3.4:10911", 1: "b", 2: "c", -3: "d"}})
	check(`{"offsets":{{"brokerName":"b","queueId":1,"topic":"t"}:5,}}`, all{Offsets: map[queue]int64{{"t", "b", 1}: 5}})
	check(`{'tags':['a','b',],}`, all{Tags: []string{"a", "b"}})
	check(" {\"perm\" : 1 , \"big\" : 2 } \n", all{Perm: 1, Big: 2})
	check(`{"table":{2:"c","a":1}}`, all{Table: map[string]string{"2": "c", "a": "1"}})
	check(`{"addrs":{1.0:"x"}}`, all{Addrs: map[int64]string{1: "x"}})

	// Numbers, strings and booleans for each other.
	check(`{"perm":"105","big":105.0,"small":"7.0"}`, all{Perm: 105, Big: 105, Small: 7})
	check(`{"perm":1.9,"big":1e3}`, all{Perm: 1, Big: 1000})
	check(`{"perm":+5,"big":05,"small":.5}`, all{Perm: 5, Big: 5})
	check(`{"perm":5.,"big":-.5}`, all{Perm: 5})
	check(`{"perm":true,"big":"","small":"null"}`, all{Perm: 1})
	check(`{"perm":false,"big":null}`, all{})
	check(`{"big":-9223372036854775808}`, all{Big: -9223372036854775808})
	check(`{"on":1}`, all{On: true})
	check(`{"on":"TRUE"}`, all{On: true})
	check(`{"on":"Y"}`, all{On: true})
	check(`{"on":2,"name":"x"}`, all{Name: "x"})
	check(`{"on":"","yes":"true"}`, all{Yes: &yes})
	check(`{"tps":"1.5","ratio":3}`, all{TPS: 1.5, Ratio: 3})
	check(`{"name":5}`, all{Name: "5"})
	check(`{"name":1.50}`, all{Name: "1.50"})
	check(`{"name":true}`, all{Name: "true"})
	check(`{"name":null}`, all{})
	check(`{"name":{"a":1}}`, all{Name: `{"a":1}`})
	check(`{"name":[1,2]}`, all{Name: `[1,2]`})

	// Enumerations.
	check(`{"color":"green","colors":["Red",1,"PINK",null,true]}`, all{Color: 2, Colors: []color{1, 2, 0, 0, 0}})
	check(`{"color":null}`, all{})

	// Nulls and empty text for containers; unknown and duplicate keys.
	check(`{"addrs":null,"tags":"","policy":null,"queues":[null]}`, all{Queues: []queue{{}}})
	check(`{"addrs":{},"tags":[]}`, all{Addrs: map[int64]string{}, Tags: []string{}})
	check(`{"zz":[1,{"a":2}],"zz":{{"q":1}:'x',},"perm":1,"perm":2}`, all{Perm: 2})
	check(`{"tags":["a"],"tags":["b"],"addrs":{1:"x"},"addrs":{2:"y"}}`, all{Tags: []string{"b"}, Addrs: map[int64]string{2: "y"}})
	check(`{"perm":5,"perm":null}`, all{})
	check(`{1:2,{"a":1}:3,[1]:4,"perm":5}`, all{Perm: 5})
	check(`{"PERM":3,"Untagged":3,"hidden":3,"Ignored":3,"-":3}`, all{})
	check(`null`, all{})

	// Options, embedding, bytes.
	check(`{"alternative":"x"}`, all{Alt: "x"})
	check(`{"a":"y","legacy":"z"}`, all{Alt: "y", Legacy: "z"})
	check(`{"name":"outer","inner":3}`, all{Name: "outer", base: base{Inner: 3}})
	check(`{"bits":"AQI="}`, all{Bits: []byte{1, 2}})
	check(`{"bits":"AQI"}`, all{Bits: []byte{1, 2}})
	check(`{"bits":[1,2]}`, all{Bits: []byte{1, 2}})
	check(`{"bits":""}`, all{Bits: []byte{}})
	check(`{"bits":null}`, all{})
	check(`{"any":{"a":[1,2.5,"x",true,null],2:3}}`,
		all{Any: map[string]any{"a": []any{int64(1), 2.5, "x", true, nil}, "2": int64(3)}})
}

func TestStrings(t *testing.T) {
	for in, want := range map[string]string{
		`"a\"b\\c\/d\b\f\n\r\t"`:    "a\"b\\c/d\b\f\n\r\t",
		`'it\'s "x"'`:               `it's "x"`,
		`"\u4e2d\u6587 中文"`:         "中文 中文",
		`"\ud83d\ude00"`:            "😀",
		`"\ud83d\u0041"`:            "\ufffdA",
		`"\ud83d"`:                  "\ufffd",
		`"\ude00x"`:                 "\ufffdx",
		"\"a\nb\"":                  "a\nb",
		"\"a\xffb\"":                "a\ufffdb",
		"\"\\u0041\xff\"":           "A\ufffd",
		`"\x41\0\v"`:                "A\x00\v",
		`"k1\u0001v1\u0002k2"`:      "k1\x01v1\x02k2",
		`"https://a/b?c=<d>&e='f'"`: "https://a/b?c=<d>&e='f'",
	} {
		var got string
		require.NoError(t, Unmarshal([]byte(in), &got), in)
		require.Equal(t, want, got, in)
	}
}

// TestHiddenFieldsStay checks that unexported fields are left alone.
func TestHiddenFieldsStay(t *testing.T) {
	require.Zero(t, decode(t, `{"hidden":3}`).hidden)
}

func TestDefaults(t *testing.T) {
	v := decode(t, `{"policy":{},"policies":{"a":{"max":1},"b":{"next":null},"c":null}}`)
	require.Equal(t, &policy{16, []int{1, 2}}, v.Policy)
	require.Equal(t, map[string]policy{"a": {1, []int{1, 2}}, "b": {16, nil}, "c": {}}, v.Policies)

	p := policy{Max: 99, Next: []int{9}}
	require.NoError(t, Unmarshal([]byte(`{}`), &p), "the old value does not shine through")
	require.Equal(t, policy{16, []int{1, 2}}, p)
}

func TestErrors(t *testing.T) {
	check := func(text, want string) {
		t.Helper()
		v := all{Perm: 7}
		err := Unmarshal([]byte(text), &v)
		require.EqualError(t, err, want, text)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, all{Perm: 7}, v, "the target is unchanged")
	}
	check(``, "json: byte 0: expected an object")
	check(`  `, "json: byte 2: expected an object")
	check(`[]`, "json: byte 0: expected an object")
	check(`{`, "json: byte 1: expected a quoted name")
	check(`{,}`, "json: byte 1: expected a quoted name")
	check(`{"perm":1,,}`, "json: byte 10: expected a quoted name")
	check(`{a:1}`, "json: byte 1: expected a quoted name")
	check(`{"addrs":{a:"x"}}`, "json: byte 10, field addrs: expected a key")
	check(`{"addrs":{null:"x"}}`, "json: byte 10, field addrs: expected a key")
	check(`{"addrs":{{}:"x"}}`, "json: byte 10, field addrs: expected a number as key")
	check(`{"offsets":{"x":1}}`, "json: byte 12, field offsets: expected an object as key")
	check(`{"perm"1}`, "json: byte 7: expected a colon")
	check(`{"perm":1`, "json: byte 9: expected a comma or }")
	check(`{"perm":1;"on":1}`, "json: byte 9: expected a comma or }")
	check(`{"perm":1}x`, "json: byte 10: unexpected text after the value")
	check(`{"perm":2147483648}`, "json: byte 8, field perm: number out of range")
	check(`{"small":-1}`, "json: byte 9, field small: number out of range")
	check(`{"big":9223372036854775808}`, "json: byte 7, field big: number out of range")
	check(`{"big":99999999999999999999.5}`, "json: byte 7, field big: number out of range")
	check(`{"big":1e20}`, "json: byte 7, field big: number out of range")
	check(`{"ratio":1e60}`, "json: byte 9, field ratio: number out of range")
	check(`{"perm":0x10}`, "json: byte 8, field perm: expected a value")
	check(`{"perm":-}`, "json: byte 8, field perm: expected a value")
	check(`{"perm":1e}`, "json: byte 8, field perm: expected a value")
	check(`{"perm":NaN}`, "json: byte 8, field perm: expected a value")
	check(`{"perm":"abc"}`, "json: byte 8, field perm: expected a number")
	check(`{"perm":" 7 "}`, "json: byte 8, field perm: expected a number")
	check(`{"perm":[1]}`, "json: byte 8, field perm: expected a number")
	check(`{"on":{}}`, "json: byte 6, field on: expected true or false")
	check(`{"on":"abc"}`, "json: byte 6, field on: expected true or false")
	check(`{"tps":"x"}`, "json: byte 7, field tps: expected a number")
	check(`{"tags":{}}`, "json: byte 8, field tags: expected an array")
	check(`{"addrs":[]}`, "json: byte 9, field addrs: expected an object")
	check(`{"queues":[{},{"queueId":"x"}]}`, "json: byte 25, field queues[1].queueId: expected a number")
	check(`{"policies":{"a":{"next":[1,"x"]}}}`, "json: byte 28, field policies.a.next[1]: expected a number")
	check(`{"zz":{"a":tru}}`, "json: byte 11, field zz: expected a value")
	check(`{"name":"abc`, "json: byte 8, field name: string does not end")
	check(`{"name":"a\"`, "json: byte 8, field name: string does not end")
	check(`{"name":"a\qb"}`, "json: byte 10, field name: unknown escape")
	check(`{"name":"\u12"}`, "json: byte 9, field name: unknown escape")
	check(`{"color":{}}`, "json: byte 9, field color: expected a name")
	check(`{"color":"fail"}`, "json: byte 9, field color: no such color")
	check(`{"bits":"A"}`, "json: byte 8, field bits: malformed base64")
	check(`{"bits":5}`, "json: byte 8, field bits: expected base64")
	check(`{"any":1e999}`, "json: byte 7, field any: number out of range")
}

func TestNestingIsBounded(t *testing.T) {
	nested := func(open, shut string, n int) []byte {
		return []byte(strings.Repeat(open, n) + "1" + strings.Repeat(shut, n))
	}
	var v any
	require.NoError(t, Unmarshal(nested("[", "]", MaxDepth), &v))
	require.NoError(t, Unmarshal(nested(`{"a":`, "}", MaxDepth), &v))
	for _, open := range []string{"[", `{"a":`, "{", `{"x":[`} {
		shut := strings.NewReplacer("{", "}", "[", "]").Replace(open)
		require.ErrorContains(t, Unmarshal(nested(open, shut, 100_000), &v), "nesting is too deep", open)
		var s all
		text := append([]byte(`{"zz":`), append(nested(open, shut, 100_000), '}')...)
		require.ErrorContains(t, Unmarshal(text, &s), "nesting is too deep", open)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var v []all
	text := "[" + strings.Repeat("{},", 100_000) + "]"
	require.ErrorContains(t, Unmarshal([]byte(text), &v), "too much memory")
	require.Greater(t, int(unsafe.Sizeof(all{})), memoryPerByte*len("{},"))

	// The densest table that is real: 10 000 queues with short names.
	var b strings.Builder
	b.WriteString(`{"offsets":{`)
	for range 10_000 {
		b.WriteString(`{"brokerName":"b","queueId":1,"topic":"t"}:0,`)
	}
	b.WriteString("}}")
	var ok all
	require.NoError(t, Unmarshal([]byte(b.String()), &ok))
	require.Len(t, ok.Offsets, 1)

	var offsets map[int32]int64
	require.NoError(t, Unmarshal([]byte("{"+strings.Repeat("0:0,", 50_000)+"}"), &offsets))
}

func TestResultsDoNotAliasTheInput(t *testing.T) {
	text := []byte(`{"name":"abc","table":{"k":"v"},"tags":["x"],"bits":"AQI="}`)
	var v all
	require.NoError(t, Unmarshal(text, &v))
	clear(text)
	require.Equal(t, all{Name: "abc", Table: map[string]string{"k": "v"}, Tags: []string{"x"}, Bits: []byte{1, 2}}, v)
}

func TestProgramErrorsPanic(t *testing.T) {
	require.Panics(t, func() { _ = Unmarshal([]byte("1"), all{}) })
	require.Panics(t, func() { _ = Unmarshal([]byte("1"), (*all)(nil)) })
	require.Panics(t, func() { _ = Unmarshal([]byte("1"), new(chan int)) })
	require.Panics(t, func() { _ = Unmarshal([]byte(`{"1":1}`), new(map[float64]int)) })
	require.Panics(t, func() { _ = Unmarshal([]byte("1"), new(error)) })
	require.Panics(t, func() { Marshal(make(chan int)) })
	require.Panics(t, func() { Marshal(map[float64]int{1: 1}) })
}

func TestLongPathsAreCut(t *testing.T) {
	key := strings.Repeat("k", 1000)
	err := Unmarshal([]byte(`{"policies":{"`+key+`":{"max":"x"}}}`), new(all))
	var e *Error
	require.ErrorAs(t, err, &e)
	require.LessOrEqual(t, len(e.Field), 2*maxPath)
	require.True(t, strings.HasSuffix(e.Field, ".max"))
}
