package remoting

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

func TestFieldsGetTheLast(t *testing.T) {
	f := Fields{{"a", "1"}, {"b", "2"}, {"a", "3"}}
	v, ok := f.Get("a")
	require.True(t, ok)
	require.Equal(t, "3", v)
	_, ok = f.Get("A")
	require.False(t, ok)
}

func TestCommandErr(t *testing.T) {
	require.NoError(t, (&Command{}).Err())
	err := (&Command{Code: int32(protocol.RespTopicNotExist), Remark: "no T"}).Err()
	require.True(t, protocol.IsCode(err, protocol.RespTopicNotExist))
	require.ErrorContains(t, err, "no T")
}

func TestScratchIsTrimmed(t *testing.T) {
	var s Scratch
	var cmd Command
	odd := `{"remark":"\n` + strings.Repeat("x", keepText) + `","extFields":{` + strings.Repeat(`"k":"v",`, keepFields+1) + "}}"
	require.NoError(t, DecodeCommand(jsonFrame(odd, ""), &cmd, &s))
	s.trim()
	require.Nil(t, s.text)
	require.Nil(t, s.fields)
}

func TestCloneSharesNothing(t *testing.T) {
	frame := vector(t, "send_request")[4:]
	cmd := mustDecode(t, frame)
	clone := cmd.Clone()
	want := *mustDecode(t, vector(t, "send_request")[4:])
	clear(frame)
	require.Equal(t, want.Ext[0], clone.Ext[0])
	require.Equal(t, want.Body, clone.Body)
	require.Equal(t, Fields{}, (&Command{Ext: Fields{}}).Clone().Ext)
}
