package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func bindExt(answer *remoting.Command, header any) error { return remoting.Bind(answer.Ext, header) }

func TestGroupLife(t *testing.T) {
	cfg := rigConfig(t)
	r := runRigOn(t, cfg)
	p := r.dial(t)
	g := protocol.NewSubscriptionGroupConfig("g")
	g.RetryMaxTimes = 3
	p.ok(protocol.ReqUpdateAndCreateSubscriptionGroup, nil, nil, javajson.Marshal(&g))
	p.ok(protocol.ReqUpdateAndCreateSubscriptionGroup, nil, nil, nil)
	list := protocol.SubscriptionGroupList{GroupConfigList: []protocol.SubscriptionGroupConfig{protocol.NewSubscriptionGroupConfig("h")}}
	p.ok(protocol.ReqUpdateAndCreateSubscriptionGroupList, nil, nil, javajson.Marshal(&list))
	got := body[protocol.SubscriptionGroupConfig](p, protocol.ReqGetSubscriptionGroupConfig, &protocol.GetSubscriptionGroupConfigRequest{Group: "g"})
	require.EqualValues(t, 3, got.RetryMaxTimes)

	require.NoError(t, r.offsets.Commit("g", "TBW102", 0, 5))
	p.ok(protocol.ReqDeleteSubscriptionGroup, &protocol.DeleteSubscriptionGroupRequest{GroupName: "g"}, nil, nil)
	_, ok := r.groups.Peek("g")
	require.False(t, ok, "the group is gone for real")
	require.NotEmpty(t, r.offsets.Topics("g"))
	p.ok(protocol.ReqDeleteSubscriptionGroup, &protocol.DeleteSubscriptionGroupRequest{GroupName: "g", CleanOffset: true}, nil, nil)
	require.Empty(t, r.offsets.Topics("g"))

	bad := protocol.NewSubscriptionGroupConfig("a b")
	require.EqualValues(t, protocol.RespInvalidParameter, p.call(protocol.ReqUpdateAndCreateSubscriptionGroup, nil, javajson.Marshal(&bad)).Code)
	r.shutdown()
	again := runRigOn(t, cfg)
	_, ok = again.groups.Peek("h")
	require.True(t, ok)
}

func TestUnknownGroup(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.AutoCreateGroup = false })
	answer := r.dial(t).call(protocol.ReqGetSubscriptionGroupConfig, &protocol.GetSubscriptionGroupConfigRequest{Group: "g"}, nil)
	require.EqualValues(t, protocol.RespSubscriptionGroupNotExist, answer.Code)
}

func TestAllGroups(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.SplitMetadataSize = 3 })
	p := r.dial(t)
	forbid := &protocol.UpdateGroupForbiddenRequest{Group: "TOOLS_CONSUMER", Topic: "t", Readable: protocol.Some(false)}
	answer := p.ok(protocol.ReqUpdateAndGetGroupForbidden, forbid, nil, nil)
	require.Equal(t, `{"group":"TOOLS_CONSUMER","readable":false,"topic":"t"}`, string(answer.Body))
	forbid.Readable = protocol.Opt[bool]{}
	answer = p.ok(protocol.ReqUpdateAndGetGroupForbidden, forbid, nil, nil)
	require.Equal(t, `{"group":"TOOLS_CONSUMER","readable":false,"topic":"t"}`, string(answer.Body))

	whole := body[protocol.SubscriptionGroupWrapper](p, protocol.ReqGetAllSubscriptionGroupConfig, nil)
	require.Len(t, whole.SubscriptionGroupTable, 8)
	require.Equal(t, map[string]map[string]int32{"TOOLS_CONSUMER": {"t": 4}}, whole.ForbiddenTable)
	answer = p.ok(protocol.ReqGetAllSubscriptionGroupConfig, &protocol.GetAllSubscriptionGroupRequest{GroupSeq: protocol.Some[int32](0)}, nil, nil)
	var header protocol.GetAllSubscriptionGroupResponse
	require.NoError(t, bindExt(answer, &header))
	require.EqualValues(t, 8, header.TotalGroupNum.Value)
	var page protocol.SubscriptionGroupWrapper
	require.NoError(t, javajson.Unmarshal(answer.Body, &page))
	require.Len(t, page.SubscriptionGroupTable, 3)
	require.Empty(t, page.ForbiddenTable, "only of the groups of the page")
}
