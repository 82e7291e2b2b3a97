package protocol

import (
	"strconv"
	"strings"
)

// names is the ordered list of the names of a Java enumeration: the index is
// the ordinal.
type names []string

// find returns the ordinal for a name in any case, or for the ordinal itself
// written as a number; -1 when there is none.
func (n names) find(text []byte) int {
	for i, s := range n {
		if strings.EqualFold(s, string(text)) {
			return i
		}
	}
	if len(text) > 0 && text[0] >= '0' && text[0] <= '9' {
		if i, err := strconv.Atoi(string(text)); err == nil && i < len(n) {
			return i
		}
	}
	return -1
}

// at returns the name for a constant that is one more than its ordinal; the
// empty string for 0 (Java's null) and for anything out of range.
func (n names) at(v uint8) string {
	if v == 0 || int(v) > len(n) {
		return ""
	}
	return n[v-1]
}

// parse returns the constant, which is one more than the ordinal, or 0.
func (n names) parse(text []byte) uint8 { return uint8(n.find(text) + 1) }

// MessageModel says whether the members of a consumer group share the messages
// or each get all. The zero value is Java's null.
type MessageModel uint8

// Message models, in Java's order.
const (
	Broadcasting  MessageModel = iota + 1 // every member gets every message
	Clustering                            // each message goes to one member
	LiteSelective                         // members choose lite topics
)

var messageModelNames = names{"BROADCASTING", "CLUSTERING", "LITE_SELECTIVE"}

// String returns Java's name, empty for null.
func (m MessageModel) String() string { return messageModelNames.at(uint8(m)) }

// MarshalText returns Java's name; empty text stands for null.
func (m MessageModel) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (m *MessageModel) UnmarshalText(text []byte) error {
	*m = MessageModel(messageModelNames.parse(text))
	return nil
}

// ConsumeType says how a consumer gets its messages. The zero value is Java's
// null.
type ConsumeType uint8

// Consume types, in Java's order.
const (
	ConsumeActively  ConsumeType = iota + 1 // pull consumer
	ConsumePassively                        // push consumer
	ConsumePop                              // pop consumer
)

var consumeTypeNames = names{"CONSUME_ACTIVELY", "CONSUME_PASSIVELY", "CONSUME_POP"}

// String returns Java's name, empty for null.
func (t ConsumeType) String() string { return consumeTypeNames.at(uint8(t)) }

// MarshalText returns Java's name; empty text stands for null.
func (t ConsumeType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (t *ConsumeType) UnmarshalText(text []byte) error {
	*t = ConsumeType(consumeTypeNames.parse(text))
	return nil
}

// ConsumeFromWhere says where a new group starts. The zero value is Java's
// null.
type ConsumeFromWhere uint8

// Start positions, in Java's order.
const (
	ConsumeFromLastOffset            ConsumeFromWhere = iota + 1
	ConsumeFromLastOffsetOrMinAtBoot                  // deprecated in Java
	ConsumeFromMinOffset                              // deprecated in Java
	ConsumeFromMaxOffset                              // deprecated in Java
	ConsumeFromFirstOffset
	ConsumeFromTimestamp
)

var consumeFromWhereNames = names{
	"CONSUME_FROM_LAST_OFFSET",
	"CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
	"CONSUME_FROM_MIN_OFFSET",
	"CONSUME_FROM_MAX_OFFSET",
	"CONSUME_FROM_FIRST_OFFSET",
	"CONSUME_FROM_TIMESTAMP",
}

// String returns Java's name, empty for null.
func (w ConsumeFromWhere) String() string { return consumeFromWhereNames.at(uint8(w)) }

// MarshalText returns Java's name; empty text stands for null.
func (w ConsumeFromWhere) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (w *ConsumeFromWhere) UnmarshalText(text []byte) error {
	*w = ConsumeFromWhere(consumeFromWhereNames.parse(text))
	return nil
}

// TopicFilterType says how many tags a message of a topic may have. The zero
// value is Java's null.
type TopicFilterType uint8

// Topic filter types, in Java's order.
const (
	SingleTag TopicFilterType = iota + 1
	MultiTag
)

var topicFilterTypeNames = names{"SINGLE_TAG", "MULTI_TAG"}

// String returns Java's name, empty for null.
func (t TopicFilterType) String() string { return topicFilterTypeNames.at(uint8(t)) }

// MarshalText returns Java's name; empty text stands for null.
func (t TopicFilterType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (t *TopicFilterType) UnmarshalText(text []byte) error {
	*t = TopicFilterType(topicFilterTypeNames.parse(text))
	return nil
}

// ParseTopicFilterType reads the header field of CreateTopicRequest, where only
// the exact names count. It returns 0 for anything else.
func ParseTopicFilterType(s string) TopicFilterType {
	for i, n := range topicFilterTypeNames {
		if n == s {
			return TopicFilterType(i + 1)
		}
	}
	return 0
}

// BoundaryType says which side of a time SearchOffsetRequest means.
type BoundaryType uint8

// Boundary types, in Java's order.
const (
	BoundaryLower BoundaryType = iota // first message at or after the time
	BoundaryUpper                     // last message at or before the time
)

// String returns the name as Java writes it into the header.
func (b BoundaryType) String() string {
	if b == BoundaryUpper {
		return "UPPER"
	}
	return "LOWER"
}

// ParseBoundaryType reads the header field: "upper" in any case is
// BoundaryUpper, everything else BoundaryLower.
func ParseBoundaryType(s string) BoundaryType {
	if strings.EqualFold(s, "upper") {
		return BoundaryUpper
	}
	return BoundaryLower
}
