package remoting

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

type testHeader struct {
	Topic   string               `rmq:"topic,short=b,required"`
	QueueID int32                `rmq:"queueId,short=e,required"`
	Offset  int64                `rmq:"offset"`
	Flag    bool                 `rmq:"flag"`
	Note    string               `rmq:"note"`
	Max     protocol.Opt[int32]  `rmq:"max"`
	Far     protocol.Opt[int64]  `rmq:"far"`
	Lo      protocol.Opt[bool]   `rmq:"lo"`
	Name    protocol.Opt[string] `rmq:"name"`
	Own     int                  // without tag: not a field
}

func TestBind(t *testing.T) {
	var h testHeader
	require.NoError(t, Bind(Fields{
		{"lo", "True"},
		{"b", "t"},
		{"unknown", "x"},
		{"queueId", "1"},
		{"e", "-2"},
		{"offset", "+9223372036854775807"},
		{"flag", "TRUE"},
		{"max", "-2147483648"},
		{"far", "-9223372036854775808"},
		{"name", ""},
	}, &h))
	require.Equal(t, testHeader{
		Topic: "t", QueueID: -2, Offset: 1<<63 - 1, Flag: true, Max: protocol.Some(int32(-1 << 31)),
		Far: protocol.Some(int64(-1 << 63)), Lo: protocol.Some(true), Name: protocol.Some(""),
	}, h)
	require.NoError(t, Bind(Fields{{"topic", "u"}, {"e", "7"}, {"flag", "yes"}}, &h))
	require.False(t, h.Flag)
}

func TestBindErrorsNameFieldAndValue(t *testing.T) {
	cases := []struct {
		ext  Fields
		want string
	}{
		{Fields{{"queueId", "1"}}, "the request lacks the field topic (b)"},
		{Fields{{"topic", "t"}, {"e", "1x"}}, `the field queueId (e) is "1x", not an integer of 32 bits`},
		{Fields{{"topic", "t"}, {"queueId", "2147483648"}}, `the field queueId is "2147483648", not an integer of 32 bits`},
		{Fields{{"topic", "t"}, {"queueId", "0"}, {"offset", ""}}, `the field offset is "", not an integer of 64 bits`},
		{Fields{{"offset", "-"}}, `the field offset is "-", not an integer of 64 bits`},
		{Fields{{"offset", "9223372036854775808"}}, `the field offset is "9223372036854775808", not an integer of 64 bits`},
		{Fields{{"offset", "99999999999999999999999999"}}, `the field offset is "99999999999999999999999999", not an integer of 64 bits`},
	}
	for _, tc := range cases {
		for _, bind := range []func(Fields, any) error{Bind, BindAlias} {
			err := bind(tc.ext, &testHeader{})
			require.True(t, protocol.IsCode(err, protocol.RespSystemError))
			require.EqualError(t, err, "SYSTEM_ERROR: "+tc.want)
		}
	}
	require.Error(t, Bind(nil, nil))
	require.Error(t, Bind(nil, (*testHeader)(nil)))
	require.Error(t, Bind(nil, new(int)))
	require.Error(t, Bind(nil, &struct {
		F []int `rmq:"f"`
	}{}))
	require.Error(t, Bind(nil, &struct {
		A int32 `rmq:"x"`
		B int32 `rmq:"y,short=x"`
	}{}))
}

func TestAppendHeader(t *testing.T) {
	h := testHeader{Topic: "t", QueueID: -1, Lo: protocol.Some(false), Far: protocol.Some(int64(5))}
	long := Fields{{"topic", "t"}, {"queueId", "-1"}, {"offset", "0"}, {"flag", "false"}, {"far", "5"}, {"lo", "false"}}
	short := append(Fields{{"b", "t"}, {"e", "-1"}}, long[2:]...)
	require.Equal(t, long, AppendHeader(nil, &h, false))
	require.Equal(t, long, AppendHeader(nil, h, false))
	require.Equal(t, short, AppendHeader(nil, &h, true))
	require.Nil(t, AppendHeader(nil, nil, false))
	var back testHeader
	require.NoError(t, Bind(short, &back))
	require.Equal(t, h, back)
}

// TestPlansFindEveryName checks the hash tables of all headers there are.
func TestPlansFindEveryName(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, v := range protocol.Verbs {
		for _, h := range []reflect.Type{v.Request, v.Response} {
			if h == nil || seen[h] {
				continue
			}
			seen[h] = true
			p := newPlan(h)
			require.NoError(t, p.err)
			for i, f := range p.fields {
				require.Equal(t, i, p.find(f.name), "%s.%s", p.typ, f.name)
				require.Equal(t, i, p.find(f.short), "%s.%s", p.typ, f.short)
				require.Equal(t, -1, p.find(f.name+"x"))
			}
			require.Equal(t, -1, p.find(""))
		}
	}
	require.NotEmpty(t, seen)
}
