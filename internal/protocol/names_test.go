package protocol

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDerivedNames(t *testing.T) {
	require.Equal(t, "%RETRY%g", RetryTopic("g"))
	require.Equal(t, "%DLQ%g", DLQTopic("g"))
	require.Equal(t, "g", GroupOfRetryTopic("%RETRY%g"))
	require.Equal(t, "t", GroupOfRetryTopic("t"))
	require.Equal(t, "%RETRY%g_t", PopRetryTopic("t", "g"))
	require.Equal(t, "%RETRY%g+t", PopRetryTopicV2("t", "g"))
	require.Equal(t, "DefaultCluster_REPLY_TOPIC", ReplyTopic("DefaultCluster"))
	require.Equal(t, "rmq_sys_REVIVE_LOG_c", ReviveTopic("c"))
	require.Equal(t, "rmq_sys_SYNC_BROKER_MEMBER_b", SyncBrokerMemberTopic("b"))
	require.True(t, IsRetryTopic("%RETRY%") && !IsRetryTopic("RETRY") && IsDLQTopic("%DLQ%g") && !IsDLQTopic("g"))
}

func TestLiteQueueNames(t *testing.T) {
	require.Equal(t, "%LMQ%$p$l", LiteQueueName("p", "l"))
	require.Empty(t, LiteQueueName("", "l"))
	require.Empty(t, LiteQueueName("p", ""))
	for name, want := range map[string][2]string{
		"%LMQ%$p$l": {"p", "l"}, "%LMQ%$p$": {}, "%LMQ%$$l": {}, "%LMQ%$p": {}, "%LMQ%p$l": {}, "%LMQ%$p$l$m": {}, "": {},
	} {
		parent, lite, ok := SplitLiteQueueName(name)
		require.Equal(t, want, [2]string{parent, lite}, name)
		require.Equal(t, want[0] != "", ok, name)
		require.True(t, !ok || IsLMQ(name))
	}
}

func TestSystemNames(t *testing.T) {
	builtin := BuiltinTopics()
	require.Len(t, systemTopics, len(builtin))
	closed := 0
	for _, n := range builtin {
		require.True(t, IsSystemTopic(n), n)
		if IsClosedTopic(n) {
			closed++
		}
	}
	require.Equal(t, 8, closed)
	require.True(t, IsSystemTopic("rmq_sys_x") && IsSystemTopic(TimerTopic))
	require.False(t, IsSystemTopic("orders") || IsClosedTopic("orders") || IsClosedTopic(AutoCreateTopicKey))
	require.True(t, IsSystemGroup(TransactionGroup) && IsSystemGroup(ReviveGroup) && !IsSystemGroup("g"))
	for _, g := range BuiltinGroups() {
		require.True(t, IsBuiltinGroup(g), g)
	}
	require.Len(t, BuiltinGroups(), 8)
	require.False(t, IsBuiltinGroup("g"))
}

func TestValidate(t *testing.T) {
	ok := func(err error) { t.Helper(); require.NoError(t, err) }
	bad := func(err error, remark string) {
		t.Helper()
		require.Equal(t, Errorf(RespInvalidParameter, "%s", remark), err)
	}
	long := func(n int) string { return strings.Repeat("a", n) }

	ok(ValidateTopic("a%|-_Z9"))
	ok(ValidateTopic(long(127)))
	ok(ValidateTopic("%RETRY%" + long(248)))
	ok(ValidateGroup(long(120)))
	bad(ValidateTopic(""), "The specified topic is blank.")
	bad(ValidateTopic(" \t"), "The specified topic is blank.")
	bad(ValidateGroup(""), "The specified group is blank.")
	bad(ValidateTopic("a/b"), "The specified topic: a/b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$")
	bad(ValidateTopic("中"), "The specified topic: 中, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$")
	bad(ValidateGroup("g+t"), "The specified group: g+t, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$")
	bad(ValidateTopic(long(128)), "The specified topic: "+long(128)+", is longer than topic max length: 127")
	bad(ValidateGroup(long(121)), "The specified group: "+long(121)+", is longer than group max length: 120")
	bad(ValidateTopic("%DLQ%"+long(251)),
		"The specified topic is DLQ or Retry topic: %DLQ%"+long(251)+", and it's longer than topic max length: 255")
}

func TestStringHash(t *testing.T) {
	// Values of Java's String.hashCode.
	for s, want := range map[string]int32{
		"": 0, "TagA": 2598919, "tagA": 3552231, "中文": 646394, "😀": 1772899, "\xff": 0xfffd,
		"polygenelubricants": -2147483648,
	} {
		require.Equal(t, want, StringHash(s), s)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		var want int32
		for _, u := range utf16.Encode([]rune(s)) {
			want = 31*want + int32(u)
		}
		require.Equal(t, want, StringHash(s))
	})
	require.Zero(t, testing.AllocsPerRun(100, func() { StringHash("TagA中文😀") }))
}

func TestPerm(t *testing.T) {
	for perm, want := range map[int32]string{0: "---", 2: "-W-", 4: "R--", 6: "RW-", 7: "RWX", 8: "---"} {
		require.Equal(t, want, PermString(perm))
	}
}

// TestVersions checks the named ordinals against the rule V4_m_p = 213+20m+2p,
// V5_m_p = 413+20m+2p and those of version 3.
func TestVersions(t *testing.T) {
	v3 := func(m, p int) int { return 85 + 18*(m-3) + 2*p }
	v4 := func(m, p int) int { return 213 + 20*m + 2*p }
	v5 := func(m, p int) int { return 413 + 20*m + 2*p }
	require.Equal(t, Version, v5(5, 0))
	require.Equal(t, VersionStandardRoute, v4(9, 4))
	require.Equal(t, VersionStaticTopics, v5(0, 0))
	require.Equal(t, VersionGoAway, v5(3, 1))
	require.Equal(t, VersionSQL92, v4(1, 0)-1)
	require.Equal(t, VersionUniqueKeySigned, v4(9, 3)+1)
	require.Equal(t, VersionMaxReconsumeTimes, v3(4, 9))
	require.Equal(t, VersionRunningInfo, 47+2*8-1)
	require.Equal(t, VersionRegisterBody, 15+2*11)
	require.Equal(t, VersionResetOffsetPush, 15+2*7-1)
}
