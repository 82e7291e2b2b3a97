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
		require.NoError(t, parseTags(&sub, expression), "%q", expression)
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
	require.Error(t, parseTags(&sub, "||"))
	require.Error(t, parseTags(&sub, "||||"))
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
	require.NoError(t, parseTags(&sub, tag))
	require.True(t, filterOf(&sub).MatchTags(int64(protocol.StringHash(tag))))
}

func FuzzTags(f *testing.F) {
	f.Add("a || b")
	f.Add("||")
	f.Fuzz(func(t *testing.T, expression string) {
		var sub protocol.SubscriptionData
		if parseTags(&sub, expression) != nil {
			return
		}
		require.Len(t, sub.CodeSet, len(sub.TagsSet))
		for i, tag := range sub.TagsSet {
			require.NotEmpty(t, tag)
			require.Equal(t, protocol.StringHash(tag), sub.CodeSet[i])
		}
	})
}
