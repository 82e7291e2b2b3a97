package broker

import (
	"errors"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/filters"
	"github.com/aerobee/aerobee/internal/filter"
	"github.com/aerobee/aerobee/internal/message"
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

// messageFilter is the filter of an expression that came with a request (PULL_MESSAGE,
// POP_MESSAGE, NOTIFICATION), nil when it wants everything. An error is the client's
// fault, and the answer SUBSCRIPTION_PARSE_FAILED. Whether SQL92 is allowed at all
// is another question, see propertyFilter; POP does not ask it.
// What expressions mean is kept for a while; the strings are not.
func (b *Broker) messageFilter(expressionType, expression string) (store.Filter, error) {
	if byTags(expressionType) && (expression == "" || expression == allTags) {
		return nil, nil
	}
	return b.traffic.inline.find(expressionType, expression)
}

// propertyFilter is the error for subscriptions of another type than TAG on a
// broker that does not have them.
func (b *Broker) propertyFilter(expressionType string) error {
	if b.config().PropertyFilter {
		return nil
	}
	return protocol.Errorf(protocol.RespSystemError, "The broker does not support consumer to filter message by %s", expressionType)
}

// makeFilter makes the filter of an expression, which is kept.
func makeFilter(expressionType, expression string) (store.Filter, error) {
	if byTags(expressionType) {
		var sub protocol.SubscriptionData
		err := parseTags(&sub, expression)
		return filterOf(&sub), err
	}
	if expression == "" {
		return nil, errExpression
	}
	program, err := filters.Compile(expressionType, expression)
	if err != nil {
		return nil, err
	}
	return program, nil
}

// parseTags reads a tag expression by the rules of consumption.md 2.
func parseTags(sub *protocol.SubscriptionData, expression string) error {
	sub.SubString = allTags
	if expression == "" || expression == allTags {
		return nil
	}
	sub.SubString = expression
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

// registerFilters takes in the SQL92 subscriptions of a heartbeat. One that does
// not compile is refused when its group pulls.
func (b *Broker) registerFilters(consumers []protocol.ConsumerData) {
	for i := range consumers {
		c := &consumers[i]
		if err := b.filters.Register(c.GroupName, c.SubscriptionDataSet); err != nil {
			b.log.Warn("subscription by SQL92 not registered", "group", c.GroupName, "error", err)
		}
	}
}

// groupFilter is the filter of a group's SQL92 subscription to a topic, which must
// be as new as the request.
func (b *Broker) groupFilter(topic, group string, version int64) (*filter.Program, error) {
	e, ok := b.filters.Find(topic, group)
	if !ok {
		return nil, protocol.Errorf(protocol.RespFilterDataNotExist, "The broker's consumer filter data is not exist!Your expression may be wrong!")
	}
	if e.Version < version {
		return nil, protocol.Errorf(protocol.RespFilterDataNotLatest, "the consumer's consumer filter data not latest: %d, the request says %d", e.Version, version)
	}
	return e.Program, nil
}

// retryFilter filters a group's retry topic, when that is subscribed to by SQL92:
// a message is wanted if the group's filter for the topic that it comes from wants
// it, or if there is none (filterSupportRetry).
type retryFilter struct {
	table *filters.Table
	group string
}

// MatchTags lets every entry of a queue pass.
func (f retryFilter) MatchTags(int64) bool { return true }

// MatchRecord decides by the filter of the original topic.
func (f retryFilter) MatchRecord(rec []byte) bool {
	props, ok := message.RecordProperties(rec)
	if !ok {
		return false
	}
	topic, _ := message.Property(props, message.PropRetryTopic)
	e, ok := f.table.Find(topic, f.group)
	return !ok || e.Program.MatchProperties(props)
}
