package protocol

// MessageRequestMode says whether a group pulls or pops. The zero value is
// Java's null.
type MessageRequestMode uint8

// Request modes, in Java's order.
const (
	RequestPull MessageRequestMode = iota + 1
	RequestPop
)

var messageRequestModeNames = names{"PULL", "POP"}

// String returns Java's name, empty for null.
func (m MessageRequestMode) String() string { return messageRequestModeNames.at(uint8(m)) }

// MarshalText returns Java's name; empty text stands for null.
func (m MessageRequestMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (m *MessageRequestMode) UnmarshalText(text []byte) error {
	*m = MessageRequestMode(messageRequestModeNames.parse(text))
	return nil
}

// CMResult is the outcome of consuming one message directly. The zero value is
// Java's null.
type CMResult uint8

// Outcomes, in Java's order.
const (
	CMSuccess CMResult = iota + 1
	CMLater
	CMRollback
	CMCommit
	CMThrowException
	CMReturnNull
)

var cmResultNames = names{
	"CR_SUCCESS", "CR_LATER", "CR_ROLLBACK", "CR_COMMIT", "CR_THROW_EXCEPTION", "CR_RETURN_NULL",
}

// String returns Java's name, empty for null.
func (r CMResult) String() string { return cmResultNames.at(uint8(r)) }

// MarshalText returns Java's name; empty text stands for null.
func (r CMResult) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (r *CMResult) UnmarshalText(text []byte) error {
	*r = CMResult(cmResultNames.parse(text))
	return nil
}

// GroupRetryPolicyType selects the retry delays of a group. The zero value is
// Java's null.
type GroupRetryPolicyType uint8

// Policy types, in Java's order.
const (
	RetryExponential GroupRetryPolicyType = iota + 1
	RetryCustomized
)

var groupRetryPolicyTypeNames = names{"EXPONENTIAL", "CUSTOMIZED"}

// String returns Java's name, empty for null.
func (t GroupRetryPolicyType) String() string { return groupRetryPolicyTypeNames.at(uint8(t)) }

// MarshalText returns Java's name; empty text stands for null.
func (t GroupRetryPolicyType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (t *GroupRetryPolicyType) UnmarshalText(text []byte) error {
	*t = GroupRetryPolicyType(groupRetryPolicyTypeNames.parse(text))
	return nil
}

// LiteSubscriptionAction says what a LiteSubscriptionDTO does. The zero value
// is Java's null.
type LiteSubscriptionAction uint8

// Actions, in Java's order.
const (
	LitePartialAdd LiteSubscriptionAction = iota + 1
	LitePartialRemove
	LiteCompleteAdd
	LiteCompleteRemove
)

var liteSubscriptionActionNames = names{"PARTIAL_ADD", "PARTIAL_REMOVE", "COMPLETE_ADD", "COMPLETE_REMOVE"}

// String returns Java's name, empty for null.
func (a LiteSubscriptionAction) String() string { return liteSubscriptionActionNames.at(uint8(a)) }

// MarshalText returns Java's name; empty text stands for null.
func (a LiteSubscriptionAction) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (a *LiteSubscriptionAction) UnmarshalText(text []byte) error {
	*a = LiteSubscriptionAction(liteSubscriptionActionNames.parse(text))
	return nil
}

// OffsetOptionType says how to read OffsetOption.Value. The zero value is
// Java's null.
type OffsetOptionType uint8

// Offset option types, in Java's order.
const (
	OffsetByPolicy    OffsetOptionType = iota + 1 // 0 last, 1 min, 2 max
	OffsetByOffset                                // the offset itself
	OffsetByTail                                  // this many from the end
	OffsetByTimestamp                             // store time in milliseconds
)

var offsetOptionTypeNames = names{"POLICY", "OFFSET", "TAIL_N", "TIMESTAMP"}

// String returns Java's name, empty for null.
func (t OffsetOptionType) String() string { return offsetOptionTypeNames.at(uint8(t)) }

// MarshalText returns Java's name; empty text stands for null.
func (t OffsetOptionType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText accepts names in any case and ordinals; anything else is null.
func (t *OffsetOptionType) UnmarshalText(text []byte) error {
	*t = OffsetOptionType(offsetOptionTypeNames.parse(text))
	return nil
}
