package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func TestColdReadLimits(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	info := func() string { return string(p.ok(protocol.ReqGetColdDataFlowCtrInfo, nil, nil, nil).Body) }
	require.JSONEq(t, `{"cgColdReadThreshold":3145728,"configTable":{},"globalAcc":0,"globalColdReadThreshold":104857600,"runtimeTable":{}}`, info())
	p.ok(protocol.ReqUpdateColdDataFlowCtrConfig, nil, nil, []byte("g=1000\nh=2000\n"))
	require.Contains(t, info(), `"configTable":{"g":1000,"h":2000}`)
	p.ok(protocol.ReqRemoveColdDataFlowCtrConfig, nil, nil, []byte("h"))
	require.Contains(t, info(), `"configTable":{"g":1000}`)
	for _, body := range []string{"g=many", "bad!group=1"} {
		answer := p.call(protocol.ReqUpdateColdDataFlowCtrConfig, nil, []byte(body))
		require.EqualValues(t, protocol.RespInvalidParameter, answer.Code, body)
	}
	require.Contains(t, info(), `"configTable":{"g":1000}`)
}

func TestColdLimitsAreBounded(t *testing.T) {
	var l coldLimits
	many := make(map[string]int64)
	for i := range maxColdLimits + 1 {
		many[string(rune('a'+i%26))+string(rune(0x4e00+i))] = 1
	}
	require.ErrorContains(t, l.set(many), "at most 10000")
	require.Empty(t, l.snapshot())
}

func TestAnswersForWhatIsNotHere(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	mode := func(value string) *remoting.Command {
		type header struct {
			Mode string `rmq:"READ_AHEAD_MODE"`
		}
		return p.call(protocol.ReqSetCommitLogReadMode, &header{value}, nil)
	}
	require.EqualValues(t, protocol.RespSuccess, mode("0").Code)
	require.Contains(t, mode("1").Remark, "cannot be turned off")
	require.EqualValues(t, protocol.RespInvalidParameter, mode("7").Code)
	require.JSONEq(t, `{"checkResult":"consume queues are files here, there are none in RocksDB","checkStatus":0}`,
		string(p.ok(protocol.ReqCheckRocksDBCQWriteProgress, nil, nil, nil).Body))
	answer := p.ok(protocol.ReqExportRocksDBConfigToJSON, &protocol.ExportRocksDBConfigToJSONRequest{ConfigType: "topics"}, nil, nil)
	require.Equal(t, "export done.", answer.Remark)
	p.ok(protocol.ReqResetMasterFlushOffset, &protocol.ResetMasterFlushOffsetRequest{}, nil, nil)
	answer = p.call(protocol.ReqGetBrokerEpochCache, nil, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	require.Equal(t, "this request only for controllerMode ", answer.Remark)
}
