package meta

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/dedup"
	"github.com/aerobee/aerobee/internal/protocol"
)

// MessageTypeMixed is the value of the message.type attribute that a broker refuses unless
// it is allowed by configuration.
const MessageTypeMixed = "MIXED"

// attribute describes one attribute: whether it can be changed after creation
// and which values it takes.
type attribute struct {
	fixed bool
	check func(value string) error
}

// topicAttributes and groupAttributes are the tables of admin.md 1.2, and
// aerobee's own dedup attributes, which a Java broker keeps and does not look at.
var (
	topicAttributes = map[string]attribute{
		protocol.TopicAttrQueueType:     {fixed: true, check: oneOf("SimpleCQ", "BatchCQ")},
		protocol.TopicAttrCleanupPolicy: {fixed: true, check: oneOf("DELETE", "COMPACTION")},
		protocol.TopicAttrMessageType: {check: oneOf("UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION",
			"PRIORITY", "LITE", MessageTypeMixed)},
		protocol.TopicAttrReserveTime:    {check: between(-1, 1<<63-1)},
		protocol.TopicAttrLiteExpiration: {check: between(-1, 43200)},
		protocol.TopicAttrDedupWindow:    {check: func(v string) error { _, err := dedup.ParseWindow(v); return err }},
		protocol.TopicAttrDedupKey:       {check: dedup.CheckProperty},
	}
	groupAttributes = map[string]attribute{
		protocol.GroupAttrPriorityFactor:       {check: between(0, 100)},
		protocol.GroupAttrLiteBindTopic:        {check: anything},
		protocol.GroupAttrLiteWildcard:         {check: anything},
		protocol.GroupAttrLiteModel:            {check: oneOf("Shared", "Exclusive")},
		protocol.GroupAttrLiteResetExclusive:   {check: boolean},
		protocol.GroupAttrLiteResetUnsubscribe: {check: boolean},
		protocol.GroupAttrLiteClientQuota:      {check: between(-1, 1<<63-1)},
		protocol.GroupAttrLiteMaxEvents:        {check: between(10, 1<<63-1)},
	}
)

func anything(string) error { return nil }

func boolean(v string) error {
	if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
		return errors.New("boolean attribute format is wrong")
	}
	return nil
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("value is not in set: [%s]", strings.Join(values, ", "))
		}
		return nil
	}
}

func between(low, high int64) func(string) error {
	return func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("value is not in range(%d, %d)", low, high)
		}
		return nil
	}
}

// ParseAttributes reads an update of request 17: "+k=v,+k2=v2,-k3". The keys of
// the result keep their sign.
func ParseAttributes(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	out := make(map[string]string)
	for item := range strings.SplitSeq(s, ",") {
		key, value, set := strings.Cut(item, "=")
		switch {
		case set && !strings.HasPrefix(key, "+"):
			return nil, fmt.Errorf("add/alter attribute format is wrong: %s", key)
		case !set && !strings.HasPrefix(key, "-"):
			return nil, fmt.Errorf("delete attribute format is wrong: %s", key)
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("key duplication: %s", key)
		}
		out[key] = value
	}
	return out, nil
}

// alterAttributes applies a signed update to the attributes of a topic or group
// that is new (create) or exists, and returns the attributes after it.
func alterAttributes(known map[string]attribute, create bool, current, update map[string]string) (map[string]string, error) {
	next := make(map[string]string, len(current)+len(update))
	maps.Copy(next, current)
	seen := make(map[string]bool, len(update))
	for _, signed := range slices.Sorted(maps.Keys(update)) {
		sign, key, err := splitSign(signed)
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, fmt.Errorf("alter duplication key. key: %s", key)
		}
		seen[key] = true
		if create && sign != '+' {
			return nil, fmt.Errorf("only add attribute is supported while creating topic. key: %s", key)
		}
		_, present := current[key]
		if sign == '-' && !present {
			return nil, fmt.Errorf("attempt to delete a nonexistent key: %s", key)
		}
		a, ok := known[key]
		if !ok {
			return nil, fmt.Errorf("unsupported key: %s", key)
		}
		if a.fixed && !create && (sign == '-' || current[key] != update[signed]) {
			return nil, fmt.Errorf("attempt to update an unchangeable attribute. key: %s", key)
		}
		if sign == '-' {
			delete(next, key)
			continue
		}
		if err := a.check(update[signed]); err != nil {
			return nil, fmt.Errorf("%s=%s: %w", key, update[signed], err)
		}
		next[key] = update[signed]
	}
	return next, nil
}

// splitSign takes the sign off an attribute's key.
func splitSign(signed string) (sign byte, key string, err error) {
	if len(signed) < 2 || strings.ContainsAny(signed[1:], "+-") {
		return 0, "", errors.New("kv string format wrong")
	}
	if signed[0] != '+' && signed[0] != '-' {
		return 0, "", fmt.Errorf("wrong format key: %s", signed[1:])
	}
	return signed[0], signed[1:], nil
}
