package meta

import (
	"fmt"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// CreateInSend gives a topic that a message was sent to, or makes it after the
// template defaultTopic, with at most clientQueues queues. It fails when the
// template does not exist or does not allow to inherit from it, or when the
// table is full. The topic is in use at once and on disk soon after: see Sync.
// The strings may alias a frame.
func (t *Topics) CreateInSend(topic, defaultTopic string, clientQueues, sysFlag int32) (*protocol.TopicConfig, error) {
	if c, ok := t.Lookup(topic); ok {
		return c, nil
	}
	if err := protocol.ValidateTopic(topic); err != nil {
		return nil, err
	}
	return t.create(topic, func() (*protocol.TopicConfig, error) {
		template, ok := t.Lookup(defaultTopic)
		if !ok {
			return nil, fmt.Errorf("topic %s cannot be created: the template topic %s does not exist", topic, defaultTopic)
		}
		inherit := protocol.Inherited(template.Perm)
		if defaultTopic == protocol.AutoCreateTopicKey && !t.cfg.Config().AutoCreateTopic {
			inherit = false
		}
		if !inherit {
			return nil, fmt.Errorf("topic %s cannot be created: the template topic %s does not allow it (autoCreateTopicEnable)", topic, defaultTopic)
		}
		c := newTopic(strings.Clone(topic), max(0, min(clientQueues, template.WriteQueueNums)), template.Perm&^protocol.PermInherit)
		c.TopicFilterType = template.TopicFilterType
		c.TopicSysFlag = sysFlag
		return c, nil
	})
}

// CreateInSendBack gives a topic that the broker needs for itself (a retry or
// dead letter topic), or makes it as told.
func (t *Topics) CreateInSendBack(topic string, queues, perm, sysFlag int32) (*protocol.TopicConfig, error) {
	if c, ok := t.Lookup(topic); ok {
		return c, nil
	}
	return t.create(topic, func() (*protocol.TopicConfig, error) {
		c := newTopic(strings.Clone(topic), queues, perm)
		c.TopicSysFlag = sysFlag
		return c, nil
	})
}

// EnsureRetry gives the retry topic of a group that sent a heartbeat, with the
// order flag as told: one that exists with another flag is changed.
func (t *Topics) EnsureRetry(topic string, queues, sysFlag int32, order bool) (*protocol.TopicConfig, error) {
	c, err := t.CreateInSendBack(topic, queues, permRW, sysFlag)
	if err != nil || c.Order == order {
		return c, err
	}
	t.edit(topic, func(c *protocol.TopicConfig) { c.Order = order })
	c, _ = t.Lookup(topic)
	return c, nil
}

// Widen gives a topic that the broker needs for itself at least some queues.
func (t *Topics) Widen(topic string, queues int32) (*protocol.TopicConfig, error) {
	t.edit(topic, func(c *protocol.TopicConfig) {
		c.ReadQueueNums, c.WriteQueueNums = max(c.ReadQueueNums, queues), max(c.WriteQueueNums, queues)
	})
	c, ok := t.Lookup(topic)
	if !ok {
		return nil, fmt.Errorf("topic %s does not exist", topic)
	}
	return c, nil
}

// SetOrdered marks topics as ordered, as the nameservers' configuration says.
func (t *Topics) SetOrdered(topics []string) {
	for _, name := range topics {
		if c, ok := t.Lookup(name); ok && !c.Order {
			t.edit(name, func(c *protocol.TopicConfig) { c.Order = true })
		}
	}
}

// Restore makes a topic that has messages but no config, as after a power cut
// between the first message and the write of the file.
func (t *Topics) Restore(topic string, queues int32, batch bool) (*protocol.TopicConfig, error) {
	return t.create(topic, func() (*protocol.TopicConfig, error) {
		c := newTopic(strings.Clone(topic), queues, permRW)
		if batch {
			c.Attributes = map[string]string{protocol.TopicAttrQueueType: protocol.QueueTypeBatch}
		}
		return c, nil
	})
}

// create enters what build makes, unless the topic exists by now.
func (t *Topics) create(topic string, build func() (*protocol.TopicConfig, error)) (*protocol.TopicConfig, error) {
	c, made, err := t.createLocked(topic, build)
	if err == nil && made {
		t.cfg.Log.Info("topic created", "topic", c.TopicName, "queues", c.WriteQueueNums, "perm", c.Perm)
		t.cfg.OnChange([]*protocol.TopicConfig{c})
	}
	return c, err
}

func (t *Topics) createLocked(topic string, build func() (*protocol.TopicConfig, error)) (c *protocol.TopicConfig, made bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.Lookup(topic); ok {
		return c, false, nil
	}
	if t.mu.count >= MaxTopics {
		return nil, false, fmt.Errorf("topic %s cannot be created: the broker has %d topics, the most it keeps", topic, t.mu.count)
	}
	if c, err = build(); err != nil {
		return nil, false, err
	}
	t.putLocked(c)
	t.changedLocked(topicChange{Topic: c})
	return c, true, nil
}

// edit replaces a topic by a changed copy.
func (t *Topics) edit(topic string, change func(*protocol.TopicConfig)) {
	t.mu.Lock()
	old, ok := t.Lookup(topic)
	if !ok {
		t.mu.Unlock()
		return
	}
	c := *old
	change(&c)
	t.putLocked(&c)
	t.changedLocked(topicChange{Topic: &c})
	t.mu.Unlock()
	t.cfg.OnChange([]*protocol.TopicConfig{&c})
}
