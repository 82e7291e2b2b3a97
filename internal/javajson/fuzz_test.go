package javajson

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// seeds are the forms that fastjson knows, and some that it does not.
var seeds = []string{
	`{"addrs":{0:"1.2.3.4:10911",'1':"b",},"zz":{{"a":1}:2}}`,
	`{"offsets":{{"brokerName":"b","queueId":1,"topic":"t"}:5}}`,
	`{"name":"\ud83d\ude00\u0000\x41","perm":"1.5","on":"Y","tps":1e-5,"ratio":.5}`,
	`{"policy":{"max":"x"},"policies":{"a":{}},"color":"green","colors":[0,1,"x"]}`,
	`{"bits":"AQI=","any":[{"a":[null,true,1,1.5,"x"]},{2:{{}:1}}],"yes":1,"alternative":'q'}`,
	`[1,2,[3,{"a":{}}]]`, `null`, `""`, `{`, `{"a":`, `-`, "\"\xff\"",
}

// FuzzUnmarshal checks that no input makes reading panic and that what is
// written for a value is read back to the same.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		stable[all](t, data)
		stable[any](t, data)
		stable[map[int32][]string](t, data)
		stable[map[queue]map[string]float64](t, data)
	})
}

// stable reads data as a T; from what is then written on, reading and writing
// changes nothing. (Defaults of fields that data sets to null come back once,
// hence the second round.)
func stable[T any](t *testing.T, data []byte) {
	t.Helper()
	var v, w, x T
	if Unmarshal(data, &v) != nil {
		return
	}
	require.NoError(t, Unmarshal(Marshal(v), &w))
	text := Marshal(w)
	require.NoError(t, Unmarshal(text, &x))
	require.Equal(t, string(text), string(Marshal(x)))
	for _, text := range [][]byte{MarshalStandard(w), MarshalPretty(w)} {
		require.NoError(t, Unmarshal(text, &x))
		require.Equal(t, string(Marshal(w)), string(Marshal(x)))
	}
}
