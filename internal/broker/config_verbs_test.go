package broker

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func TestConfigCanBeReadAndChanged(t *testing.T) {
	cfg := rigConfig(t)
	r := runRigOn(t, cfg)
	p := r.dial(t)
	version := func(answer *remoting.Command) (v protocol.DataVersion) {
		var h protocol.GetBrokerConfigResponse
		require.NoError(t, remoting.Bind(answer.Ext, &h))
		require.NoError(t, javajson.Unmarshal([]byte(h.Version), &v))
		return v
	}
	before := p.ok(protocol.ReqGetBrokerConfig, nil, nil, nil)
	require.Contains(t, string(before.Body), "autoCreateTopicEnable=true\n")
	require.NotContains(t, string(before.Body), "secretKey")

	p.ok(protocol.ReqUpdateBrokerConfig, nil, nil, []byte("autoCreateTopicEnable=false\n"))
	require.False(t, r.config().AutoCreateTopic)
	after := p.ok(protocol.ReqGetBrokerConfig, nil, nil, nil)
	require.Contains(t, string(after.Body), "autoCreateTopicEnable=false\n")
	require.Equal(t, version(before).Counter+1, version(after).Counter)

	for body, code := range map[string]protocol.ResponseCode{
		"rocketmqHome=/x\n":                 protocol.RespNoPermission,
		"brokerConfigPath=/etc/passwd\n":    protocol.RespNoPermission,
		"storePathRootDir=/x\n":             protocol.RespSystemError,
		"autoCreateTopicEnabled=true\n":     protocol.RespSystemError,
		"brokerPermission=many\n":           protocol.RespSystemError,
		strings.Repeat("x", 100) + "\xff\n": protocol.RespSystemError,
	} {
		answer := p.call(protocol.ReqUpdateBrokerConfig, nil, []byte(body))
		require.EqualValues(t, code, answer.Code, "%s: %s", body, answer.Remark)
	}
	p.ok(protocol.ReqUpdateBrokerConfig, nil, nil, nil)

	r.shutdown()
	again := runRigOn(t, cfg)
	require.False(t, again.config().AutoCreateTopic, "the change outlives the process")
}

func TestPermissionChangesTheTopicsVersion(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	before := r.topics.Version()
	p.ok(protocol.ReqUpdateBrokerConfig, nil, nil, []byte("brokerPermission=4\n"))
	require.Positive(t, r.topics.Version().Compare(before))
}
