package meta

import (
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Update makes or changes topics as an administrator asks. The keys of their
// Attributes carry a sign (admin.md 1.2). All are checked before the first one is
// applied; errors are *protocol.Error. What equals the present state is left
// alone. It returns the topics that changed; Sync makes them durable.
func (t *Topics) Update(updates []*protocol.TopicConfig) ([]*protocol.TopicConfig, error) {
	for _, u := range updates {
		if err := t.checkUpdate(u); err != nil {
			return nil, err
		}
	}
	changed, err := t.apply(updates)
	for _, c := range changed {
		t.cfg.Log.Info("topic changed", "topic", c.TopicName, "read", c.ReadQueueNums, "write", c.WriteQueueNums, "perm", c.Perm)
	}
	if len(changed) > 0 {
		t.cfg.OnChange(changed)
	}
	return changed, err
}

func (t *Topics) apply(updates []*protocol.TopicConfig) ([]*protocol.TopicConfig, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := make([]*protocol.TopicConfig, 0, len(updates))
	created := 0
	for _, u := range updates {
		c, isNew, err := t.updatedLocked(u)
		if err != nil {
			return nil, err
		}
		if isNew {
			created++
		}
		if c != nil {
			next = append(next, c)
		}
	}
	if t.mu.count+created > MaxTopics {
		return nil, protocol.Errorf(protocol.RespSystemError, "the broker has %d topics and keeps at most %d", t.mu.count, MaxTopics)
	}
	changes := make([]topicChange, len(next))
	for i, c := range next {
		t.putLocked(c)
		changes[i].Topic = c
	}
	if len(next) > 0 {
		t.changedLocked(changes...)
	}
	return next, nil
}

// updatedLocked is the config after an update, nil when it changes nothing.
func (t *Topics) updatedLocked(u *protocol.TopicConfig) (c *protocol.TopicConfig, isNew bool, err error) {
	old, exists := t.Lookup(u.TopicName)
	var current map[string]string
	if exists {
		current = old.Attributes
	}
	attributes, err := alterAttributes(topicAttributes, !exists, current, u.Attributes)
	if err != nil {
		return nil, false, protocol.Errorf(protocol.RespSystemError, "%s", err)
	}
	next := *u
	next.TopicName = strings.Clone(u.TopicName)
	next.Attributes = attributes
	if exists && old.Equal(next) {
		return nil, false, nil
	}
	return &next, !exists, nil
}

// maxQueues is the most queues of one topic that an administrator may ask for. A
// group may have offsets of as many (offsets.MaxQueues).
const maxQueues = 1 << 20

func (t *Topics) checkUpdate(u *protocol.TopicConfig) error {
	if err := protocol.ValidateTopic(u.TopicName); err != nil {
		return err
	}
	cfg := t.cfg.Config()
	if cfg.ValidateSystemTopic && t.IsSystem(u.TopicName) {
		return protocol.Errorf(protocol.RespInvalidParameter, "The topic[%s] is conflict with system topic.", u.TopicName)
	}
	if u.ReadQueueNums < 0 || u.WriteQueueNums < 0 || u.ReadQueueNums > maxQueues || u.WriteQueueNums > maxQueues {
		return protocol.Errorf(protocol.RespInvalidParameter, "topic %s: readQueueNums %d and writeQueueNums %d must be between 0 and %d",
			u.TopicName, u.ReadQueueNums, u.WriteQueueNums, maxQueues)
	}
	if u.Perm < 0 || u.Perm > protocol.PermRead|protocol.PermWrite|protocol.PermInherit|protocol.PermPriority {
		return protocol.Errorf(protocol.RespInvalidParameter, "topic %s: perm %d is not a sum of 8 (priority), 4 (read), 2 (write) and 1 (inherit)", u.TopicName, u.Perm)
	}
	if u.Attributes["+"+protocol.TopicAttrMessageType] == MessageTypeMixed && !cfg.MixedMessageType {
		return protocol.Errorf(protocol.RespInvalidParameter, "MIXED message type is not supported.")
	}
	return nil
}

// Delete removes a topic and tells whether it was there.
func (t *Topics) Delete(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.removeLocked(topic) {
		return false
	}
	t.changedLocked(topicChange{Deleted: topic})
	return true
}
