package broker

import (
	"errors"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

// allTags is the expression that wants every message.
const allTags = "*"

// tagFilter is a subscription by tags seen as a filter of the store. It compares
// the 32-bit hashes that a consume queue holds, as the Java broker does: two
// tags with one hash both pass, and clients compare the tags themselves again.
// A message without tags has hash 0.
type tagFilter protocol.SubscriptionData

// MatchTags tells whether the hash of an entry is one of the subscription's.
func (f *tagFilter) MatchTags(tagsCode int64) bool {
	return slices.Contains(f.CodeSet, int32(tagsCode))
}

// MatchRecord lets every record pass: tags are decided by their hashes.
func (f *tagFilter) MatchRecord([]byte) bool { return true }

// filterOf is the filter of a subscription by tags, nil when it wants everything.
// The subscription must not change afterwards.
func filterOf(sub *protocol.SubscriptionData) store.Filter {
	if sub.ClassFilterMode || sub.SubString == allTags {
		return nil
	}
	return (*tagFilter)(sub)
}

// byTags tells whether an expression type means tags.
func byTags(expressionType string) bool { return expressionType == "" || expressionType == "TAG" }

var (
	errNoTags     = errors.New("a tag expression of separators only")
	errExpression = errors.New("an expression of this type must not be empty")
)

// parseSubscription reads an expression that came with a pull, by the rules of
// consumption.md 2. The strings are copied.
func parseSubscription(sub *protocol.SubscriptionData, topic, expression, expressionType string) error {
	*sub = protocol.SubscriptionData{Topic: topic, SubString: allTags, ExpressionType: "TAG"}
	if !byTags(expressionType) {
		if expression == "" {
			return errExpression
		}
		sub.ExpressionType, sub.SubString = strings.Clone(expressionType), strings.Clone(expression)
		return nil
	}
	if expression == "" || expression == allTags {
		return nil
	}
	sub.SubString = strings.Clone(expression)
	empty := true
	for part := range strings.SplitSeq(sub.SubString, "||") {
		empty = empty && part == ""
		if tag := strings.TrimSpace(part); tag != "" {
			sub.TagsSet = append(sub.TagsSet, tag)
			sub.CodeSet = append(sub.CodeSet, protocol.StringHash(tag))
		}
	}
	if empty {
		return errNoTags
	}
	return nil
}
