package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

func TestSubscriptionExpressions(t *testing.T) {
	for expression, want := range map[string][]string{
		"": nil, "*": nil, "a": {"a"}, "a||b": {"a", "b"}, " a || b ||": {"a", "b"}, "|||": {"|"}, " || ": nil, "中文": {"中文"},
	} {
		var sub protocol.SubscriptionData
		require.NoError(t, parseSubscription(&sub, "T", expression, "TAG"), "%q", expression)
		require.Equal(t, want, sub.TagsSet, "%q", expression)
		require.Len(t, sub.CodeSet, len(want))
		f := filterOf(&sub)
		if expression == "" || expression == "*" {
			require.Nil(t, f)
			continue
		}
		require.Equal(t, len(want) > 0, f.MatchTags(int64(protocol.StringHash(first(want)))) && len(want) > 0, "%q", expression)
		require.False(t, f.MatchTags(12345))
		require.True(t, f.MatchRecord(nil))
	}
	var sub protocol.SubscriptionData
	require.Error(t, parseSubscription(&sub, "T", "||", ""))
	require.Error(t, parseSubscription(&sub, "T", "||||", "TAG"))
	require.Error(t, parseSubscription(&sub, "T", "", "SQL92"))
	require.NoError(t, parseSubscription(&sub, "T", "a > 5", "SQL92"))
	require.Equal(t, "SQL92", sub.ExpressionType)
	require.Equal(t, "a > 5", sub.SubString)
	sub = protocol.SubscriptionData{ClassFilterMode: true, SubString: "x"}
	require.Nil(t, filterOf(&sub))
}

func first(s []string) string {
	if len(s) == 0 {
		return "nothing"
	}
	return s[0]
}

// The low 32 bits count: queues hold the hash sign extended.
func TestNegativeHashes(t *testing.T) {
	tag := "TagThatIsNegative"
	for protocol.StringHash(tag) >= 0 {
		tag += "x"
	}
	var sub protocol.SubscriptionData
	require.NoError(t, parseSubscription(&sub, "T", tag, ""))
	require.True(t, filterOf(&sub).MatchTags(int64(protocol.StringHash(tag))))
}

func FuzzSubscription(f *testing.F) {
	f.Add("a || b", "TAG")
	f.Add("||", "")
	f.Add("a > 5", "SQL92")
	f.Fuzz(func(t *testing.T, expression, kind string) {
		var sub protocol.SubscriptionData
		if parseSubscription(&sub, "T", expression, kind) != nil || !byTags(kind) {
			return
		}
		require.Len(t, sub.CodeSet, len(sub.TagsSet))
		for i, tag := range sub.TagsSet {
			require.NotEmpty(t, tag)
			require.Equal(t, protocol.StringHash(tag), sub.CodeSet[i])
		}
	})
}
