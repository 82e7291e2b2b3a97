package protocol

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// allowedNames is shown to people when a name has other characters.
const allowedNames = "^[%|a-zA-Z0-9_-]+$"

// ValidateTopic checks the name of a topic that a client or an operator gave.
// The error is an *Error with RespInvalidParameter and the text Java has. Rules
// in order: not blank, characters of the allowed set only, at most
// MaxTopicLength UTF-16 units (MaxRetryTopicLength for %RETRY% and %DLQ%).
func ValidateTopic(topic string) error {
	if isBlank(topic) {
		return Errorf(RespInvalidParameter, "The specified topic is blank.")
	}
	if !legalName(topic) {
		return Errorf(RespInvalidParameter,
			"The specified topic: %s, contains illegal characters, allowing only %s", topic, allowedNames)
	}
	// Only ASCII is left, so bytes are UTF-16 units.
	if IsRetryTopic(topic) || IsDLQTopic(topic) {
		if len(topic) > MaxRetryTopicLength {
			return Errorf(RespInvalidParameter,
				"The specified topic is DLQ or Retry topic: %s, and it's longer than topic max length: %d",
				topic, MaxRetryTopicLength)
		}
		return nil
	}
	if len(topic) > MaxTopicLength {
		return Errorf(RespInvalidParameter,
			"The specified topic: %s, is longer than topic max length: %d", topic, MaxTopicLength)
	}
	return nil
}

// ValidateGroup checks the name of a producer or consumer group in the same
// way; its limit is MaxGroupLength.
func ValidateGroup(group string) error {
	if isBlank(group) {
		return Errorf(RespInvalidParameter, "The specified group is blank.")
	}
	if !legalName(group) {
		return Errorf(RespInvalidParameter,
			"The specified group: %s, contains illegal characters, allowing only %s", group, allowedNames)
	}
	if len(group) > MaxGroupLength {
		return Errorf(RespInvalidParameter,
			"The specified group: %s, is longer than group max length: %d", group, MaxGroupLength)
	}
	return nil
}

// legalName reports whether all characters belong to names of topics and
// groups.
func legalName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '%', c == '|', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// isBlank reports whether s is empty or white space only.
func isBlank(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsSpace(r) }) < 0
}

// StringHash returns Java's String.hashCode: h = 31*h + unit over the UTF-16
// units of s, with 32-bit wrap-around. Tag codes and heartbeat fingerprints are
// such hashes. Invalid UTF-8 counts as U+FFFD. It does not allocate.
func StringHash(s string) int32 {
	var h int32
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			h = 31*h + int32(c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r < 0x10000 {
			h = 31*h + r
			continue
		}
		r -= 0x10000
		h = 31*h + (0xd800 + r>>10)
		h = 31*h + (0xdc00 + r&0x3ff)
	}
	return h
}
