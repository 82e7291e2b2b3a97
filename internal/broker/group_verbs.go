package broker

import (
	"context"

	"github.com/aerobee/aerobee/internal/broker/meta"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// updateGroup serves UPDATE_AND_CREATE_SUBSCRIPTIONGROUP. Without a body there is
// nothing to do, as in Java.
func (b *Broker) updateGroup(ctx context.Context, c *remoting.Call) error {
	if len(c.Body) == 0 {
		return replyOK(c)
	}
	group, err := decode[protocol.SubscriptionGroupConfig](c)
	if err != nil {
		return err
	}
	began := b.now()
	err = b.applyGroups(ctx, []*protocol.SubscriptionGroupConfig{&group})
	b.metrics.groupCreated(b.now().Sub(began), err == nil)
	if err != nil {
		return err
	}
	return replyOK(c)
}

// updateGroupList serves UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST.
func (b *Broker) updateGroupList(ctx context.Context, c *remoting.Call) error {
	body, err := decode[protocol.SubscriptionGroupList](c)
	if err != nil {
		return err
	}
	list := make([]*protocol.SubscriptionGroupConfig, len(body.GroupConfigList))
	for i := range body.GroupConfigList {
		list[i] = &body.GroupConfigList[i]
	}
	if err := b.applyGroups(ctx, list); err != nil {
		return err
	}
	return replyOK(c)
}

// applyGroups changes groups and makes the change durable.
func (b *Broker) applyGroups(ctx context.Context, list []*protocol.SubscriptionGroupConfig) error {
	if err := b.groups.Update(list); err != nil {
		return err
	}
	return b.groups.Sync()
}

// allGroupConfig serves GET_ALL_SUBSCRIPTIONGROUP_CONFIG, whole or in pages.
func (b *Broker) allGroupConfig(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetAllSubscriptionGroupRequest](c)
	if err != nil {
		return err
	}
	cfg := b.config()
	p := meta.Page{Max: meta.MaxGroups}
	if cfg.EnableSplitMetadata && (h.GroupSeq.Set || h.MaxGroupNum.Set || h.DataVersion != "") {
		p = meta.Page{
			From: int(h.GroupSeq.Or(0)), Version: h.DataVersion,
			Max: min(cfg.SplitMetadataSize, int(h.MaxGroupNum.Or(int32(cfg.SplitMetadataSize)))),
		}
	}
	version, list, total := b.groups.Page(p)
	body := protocol.SubscriptionGroupWrapper{
		DataVersion:            version,
		SubscriptionGroupTable: make(map[string]protocol.SubscriptionGroupConfig, len(list)),
		ForbiddenTable:         make(map[string]map[string]int32),
	}
	forbidden := b.groups.Forbidden()
	for _, g := range list {
		body.SubscriptionGroupTable[g.GroupName] = *g
		if topics := forbidden[g.GroupName]; topics != nil {
			body.ForbiddenTable[g.GroupName] = topics
		}
	}
	c.Reply(remoting.Reply{
		Header: &protocol.GetAllSubscriptionGroupResponse{TotalGroupNum: protocol.Some(int32(total))},
		Body:   javajson.Marshal(&body),
	})
	return nil
}

// groupConfig serves GET_SUBSCRIPTIONGROUP_CONFIG. As in Java, asking for an
// unknown group makes it where groups are made by themselves.
func (b *Broker) groupConfig(c *remoting.Call) error {
	h, err := bind[protocol.GetSubscriptionGroupConfigRequest](c)
	if err != nil {
		return err
	}
	group, ok := b.groups.Find(h.Group)
	if !ok {
		return protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "No group in this broker, group: %s", h.Group)
	}
	return replyJSON(c, group)
}

// deleteGroup serves DELETE_SUBSCRIPTIONGROUP.
func (b *Broker) deleteGroup(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.DeleteSubscriptionGroupRequest](c)
	if err != nil {
		return err
	}
	b.groups.Delete(h.GroupName)
	if h.CleanOffset {
		b.offsets.RemoveGroup(h.GroupName)
		b.pops.Drop(func(_, group string) bool { return group == h.GroupName })
	}
	if b.config().AutoDeleteUnusedStats {
		b.stats.DropGroup(h.GroupName)
	}
	if err := b.groups.Sync(); err != nil {
		return err
	}
	b.log.Info("group deleted", "group", h.GroupName, "offsets", h.CleanOffset, "peer", c.Conn().RemoteAddr())
	return replyOK(c)
}

// groupForbidden serves UPDATE_AND_GET_GROUP_FORBIDDEN.
func (b *Broker) groupForbidden(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.UpdateGroupForbiddenRequest](c)
	if err != nil {
		return err
	}
	if h.Readable.Set {
		if err := protocol.ValidateGroup(h.Group); err != nil {
			return err
		}
		if err := protocol.ValidateTopic(h.Topic); err != nil {
			return err
		}
		b.groups.SetReadable(h.Group, h.Topic, h.Readable.Value)
		if err := b.groups.Sync(); err != nil {
			return err
		}
	}
	readable := b.groups.Readable(h.Group, h.Topic)
	return replyJSON(c, &protocol.GroupForbidden{Group: h.Group, Topic: h.Topic, Readable: &readable})
}
