package main

import (
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/broker"
	"github.com/aerobee/aerobee/internal/namesrv"
	"github.com/aerobee/aerobee/internal/protocol"
)

var update = goflag.Bool("update", false, "rewrite docs/compatibility.md")

// proofs name, for each request code that somebody else's client has used
// against the binary, the conformance test that shows it. Class#method is in
// conformance/java; a file is in conformance/goclient.
var proofs = map[protocol.RequestCode]string{
	protocol.ReqSendMessage:                          "goclient/send_test.go",
	protocol.ReqSendMessageV2:                        "SendTest",
	protocol.ReqSendBatchMessage:                     "SendTest",
	protocol.ReqConsumerSendMsgBack:                  "RetryTest",
	protocol.ReqSendReplyMessageV2:                   "RequestReplyTest",
	protocol.ReqPushReplyMessageToClient:             "RequestReplyTest",
	protocol.ReqCheckClientConfig:                    "SqlFilterTest",
	protocol.ReqPullMessage:                          "PushConsumerTest",
	protocol.ReqLitePullMessage:                      "LitePullConsumerTest",
	protocol.ReqQueryConsumerOffset:                  "OffsetTest",
	protocol.ReqUpdateConsumerOffset:                 "OffsetTest",
	protocol.ReqGetMaxOffset:                         "OffsetTest",
	protocol.ReqGetMinOffset:                         "OffsetTest",
	protocol.ReqSearchOffsetByTimestamp:              "OffsetTest",
	protocol.ReqGetEarliestMsgStoreTime:              "OffsetTest",
	protocol.ReqLockBatchMQ:                          "LockTest",
	protocol.ReqUnlockBatchMQ:                        "LockTest",
	protocol.ReqQueryMessage:                         "QueryTest",
	protocol.ReqViewMessageByID:                      "QueryTest",
	protocol.ReqHeartBeat:                            "RebalanceTest",
	protocol.ReqUnregisterClient:                     "RebalanceTest",
	protocol.ReqGetConsumerListByGroup:               "RebalanceTest",
	protocol.ReqNotifyConsumerIDsChanged:             "RebalanceTest",
	protocol.ReqGetConsumerRunningInfo:               "ClientAdminTest",
	protocol.ReqConsumeMessageDirectly:               "ClientAdminTest",
	protocol.ReqInvokeBrokerToResetOffset:            "ResetOffsetTest",
	protocol.ReqUpdateAndCreateTopic:                 "MqAdminTest",
	protocol.ReqDeleteTopicInBroker:                  "MqAdminTest",
	protocol.ReqDeleteTopicInNamesrv:                 "MqAdminTest",
	protocol.ReqGetTopicStatsInfo:                    "MqAdminTest",
	protocol.ReqUpdateAndCreateSubscriptionGroup:     "MqAdminTest",
	protocol.ReqGetAllSubscriptionGroupConfig:        "MqAdminTest",
	protocol.ReqDeleteSubscriptionGroup:              "MqAdminTest",
	protocol.ReqGetConsumeStats:                      "MqAdminTest",
	protocol.ReqGetConsumerConnectionList:            "MqAdminTest",
	protocol.ReqGetProducerConnectionList:            "MqAdminTest",
	protocol.ReqUpdateBrokerConfig:                   "MqAdminTest",
	protocol.ReqGetBrokerConfig:                      "MqAdminTest",
	protocol.ReqGetBrokerRuntimeInfo:                 "MqAdminTest",
	protocol.ReqViewBrokerStatsData:                  "MqAdminTest",
	protocol.ReqQueryTopicConsumeByWho:               "MqAdminTest",
	protocol.ReqDeleteExpiredCommitLog:               "RetentionTest",
	protocol.ReqGetRouteInfoByTopic:                  "NameserverTest",
	protocol.ReqGetBrokerClusterInfo:                 "MqAdminTest",
	protocol.ReqGetAllTopicListFromNameServer:        "MqAdminTest",
	protocol.ReqWipeWritePermOfBroker:                "MqAdminTest",
	protocol.ReqAddWritePermOfBroker:                 "MqAdminTest",
	protocol.ReqPutKVConfig:                          "MqAdminTest",
	protocol.ReqGetKVConfig:                          "MqAdminTest",
	protocol.ReqDeleteKVConfig:                       "MqAdminTest",
	protocol.ReqGetNamesrvConfig:                     "MqAdminTest",
	protocol.ReqUpdateNamesrvConfig:                  "MqAdminTest",
	protocol.ReqUpdateAndCreateTopicList:             "EveryVerbTest",
	protocol.ReqUpdateAndCreateSubscriptionGroupList: "EveryVerbTest",
	protocol.ReqGetAllTopicConfig:                    "EveryVerbTest",
	protocol.ReqGetTopicConfig:                       "EveryVerbTest",
	protocol.ReqGetBrokerConsumeStats:                "EveryVerbTest",
	protocol.ReqQueryConsumeQueue:                    "EveryVerbTest",
	protocol.ReqGetAllProducerInfo:                   "EveryVerbTest",
	protocol.ReqGetBrokerHAStatus:                    "EveryVerbTest",
	protocol.ReqCleanExpiredConsumeQueue:             "EveryVerbTest",
	protocol.ReqCleanUnusedTopic:                     "EveryVerbTest",
	protocol.ReqCheckRocksDBCQWriteProgress:          "EveryVerbTest",
	protocol.ReqExportRocksDBConfigToJSON:            "EveryVerbTest",
	protocol.ReqUpdateColdDataFlowCtrConfig:          "EveryVerbTest",
	protocol.ReqRemoveColdDataFlowCtrConfig:          "EveryVerbTest",
	protocol.ReqGetColdDataFlowCtrInfo:               "EveryVerbTest",
	protocol.ReqSetCommitLogReadMode:                 "EveryVerbTest",
	protocol.ReqResetMasterFlushOffset:               "EveryVerbTest",
	protocol.ReqGetBrokerEpochCache:                  "EveryVerbTest",
	protocol.ReqEndTransaction:                       "TransactionTest",
	protocol.ReqCheckTransactionState:                "TransactionTest",
	protocol.ReqResumeCheckHalfMessage:               "TransactionTest",
	protocol.ReqQueryAssignment:                      "AssignmentTest",
	protocol.ReqSetMessageRequestMode:                "AssignmentTest",
	protocol.ReqGetAllMessageRequestMode:             "AssignmentTest",
	protocol.ReqPopLiteMessage:                       "LiteTest",
	protocol.ReqLiteSubscriptionCtl:                  "LiteTest",
	protocol.ReqNotifyUnsubscribeLite:                "LiteTest",
	protocol.ReqGetBrokerLiteInfo:                    "LiteTest",
	protocol.ReqGetParentTopicInfo:                   "LiteTest",
	protocol.ReqGetLiteTopicInfo:                     "LiteTest",
	protocol.ReqGetLiteClientInfo:                    "LiteTest",
	protocol.ReqGetLiteGroupInfo:                     "LiteTest",
	protocol.ReqTriggerLiteDispatch:                  "LiteTest",
	protocol.ReqPopMessage:                           "PopTest",
	protocol.ReqAckMessage:                           "PopTest",
	protocol.ReqBatchAckMessage:                      "PopTest",
	protocol.ReqChangeMessageInvisibleTime:           "PopTest",
	protocol.ReqNotification:                         "PopTest",
	protocol.ReqPollingInfo:                          "PopTest",
	protocol.ReqPeekMessage:                          "PopTest",
}

// TestCompatibilityPage compares docs/compatibility.md with the code, and the
// tests it names with the files of the conformance suite.
func TestCompatibilityPage(t *testing.T) {
	for code, proof := range proofs {
		path := "../../conformance/" + proof
		if !strings.Contains(proof, "/") {
			path = "../../conformance/java/src/test/java/aerobee/conformance/" + proof + ".java"
		}
		_, err := os.Stat(path)
		require.NoError(t, err, "proof of %s", code)
	}
	page := compatibilityPage(t)
	file := "../../docs/compatibility.md"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(page), 0o644))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, page, string(text), "go test ./cmd/aerobee -run CompatibilityPage -update")
}

func compatibilityPage(t *testing.T) string {
	served := append(broker.Codes(), namesrv.Codes()...)
	var b strings.Builder
	b.WriteString(`# Compatibility

Generated from the code and the conformance tests; do not edit. (` + "`go test ./cmd/aerobee -run CompatibilityPage -update`" + `)

Every request code of Apache RocketMQ 5.5.0 and what aerobee makes of it: *done* means that somebody else's unmodified client or tool has used it against the built binary, in the test named, which passes against Apache's own
server as well; *partial* means that it is answered and tested here, but no such test uses it yet; *not* means that the answer is code 3, "request type not supported"; *own* is a request that only aerobee has.

Clients in the tests: Java 5.5.0, 4.9.8 and 4.3.0, mqadmin 5.5.0, the Go client 2.1. The gRPC service (apache.rocketmq.v2) is not there yet.

| code | name | by | state | shown by |
|--:|---|---|---|---|
`)
	verbs := slices.Clone(protocol.Verbs)
	slices.SortFunc(verbs, func(a, b protocol.Verb) int { return int(a.Code) - int(b.Code) })
	for _, v := range verbs {
		state, proof := "not", ""
		switch {
		case v.Code >= protocol.FirstOwnCode:
			state, proof = "own", "unit tests"
		case v.Served == protocol.Nowhere:
			state, proof = "not", "Apache's servers do not answer it either"
		case proofs[v.Code] != "":
			state, proof = "done", proofs[v.Code]
		case slices.Contains(served, v.Code):
			state, proof = "partial", "unit tests"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", v.Code, v.Code, places(v.Served), state, proof)
	}
	b.WriteString(`
## mqadmin

EveryVerbTest runs every sub-command of mqadmin 5.5.0 against Apache's servers and against aerobee with the same data and compares what they print. These differ:

| command | why |
|---|---|
`)
	for _, d := range mqadminDifferences(t) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", d[0], d[1])
	}
	return b.String()
}

// mqadminDifferences reads the list of differences that EveryVerbTest allows: pairs
// of a command and the reason.
func mqadminDifferences(t *testing.T) [][2]string {
	text, err := os.ReadFile("../../conformance/java/src/test/java/aerobee/conformance/EveryVerbTest.java")
	require.NoError(t, err)
	reasons := make(map[string]string)
	for _, m := range regexp.MustCompile(`String ([A-Z]+) = "(.*)";`).FindAllStringSubmatch(string(text), -1) {
		reasons[m[1]] = m[2]
	}
	_, list, found := strings.Cut(string(text), "DIFFERENT = ")
	require.True(t, found)
	list, _, _ = strings.Cut(list, ";")
	var differences [][2]string
	for _, m := range regexp.MustCompile(`Map\.entry\("(.*)", ([A-Z]+)\)`).FindAllStringSubmatch(list, -1) {
		require.NotEmpty(t, reasons[m[2]], "reason of %s", m[1])
		differences = append(differences, [2]string{m[1], reasons[m[2]]})
	}
	require.NotEmpty(t, differences)
	return differences
}

func places(p protocol.Place) string {
	var names []string
	for _, x := range []struct {
		place protocol.Place
		name  string
	}{
		{protocol.ByBroker, "broker"},
		{protocol.ByNamesrv, "nameserver"},
		{protocol.ByController, "controller"},
		{protocol.ByContainer, "container"},
		{protocol.ToClient, "client"},
	} {
		if p&x.place != 0 {
			names = append(names, x.name)
		}
	}
	return strings.Join(names, ", ")
}

// TestReadmeNamesOnlyWhatIsThere checks the links of the README and the docs.
func TestReadmeNamesOnlyWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md", "../../conformance/README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			require.NoError(t, err, "%s links to %s", page, m[1])
		}
	}
}
