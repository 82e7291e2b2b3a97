package protocol

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequestCodesFollowJava(t *testing.T) {
	n := 0
	for _, l := range lines(t, "request_codes.txt") {
		c, err := strconv.Atoi(l[0])
		require.NoError(t, err)
		require.Equal(t, l[1], RequestCode(c).String())
		require.True(t, RequestCode(c).Known())
		n++
	}
	for c := range requestNames {
		if c >= FirstOwnCode {
			n++
		}
	}
	require.Len(t, requestNames, n)
	require.Equal(t, "REQUEST_4711", RequestCode(4711).String())
	require.False(t, RequestCode(4711).Known())
}

func TestResponseCodesFollowJava(t *testing.T) {
	n := 0
	for _, l := range lines(t, "response_codes.txt") {
		c, err := strconv.Atoi(l[0])
		require.NoError(t, err)
		require.Equal(t, l[1], ResponseCode(c).String())
		n++
	}
	require.Len(t, responseNames, n)
	require.Equal(t, "RESPONSE_-5", ResponseCode(-5).String())
}

func TestEveryCodeIsAVerb(t *testing.T) {
	seen := map[RequestCode]bool{}
	for _, v := range Verbs {
		require.False(t, seen[v.Code], "%s twice", v.Code)
		seen[v.Code] = true
		require.True(t, v.Code.Known())
		for _, h := range []reflect.Type{v.Request, v.Response} {
			require.True(t, h == nil || h.Kind() == reflect.Struct, "%s: %v", v.Code, h)
		}
		if v.Served == Nowhere {
			require.Nil(t, v.Request)
		}
		require.False(t, v.Served&ByFastPort != 0 && v.Served&ByBroker == 0, "%s", v.Code)
	}
	for c := range requestNames {
		require.True(t, seen[c], "%s is missing in Verbs", c)
	}
}

func TestFastPortLacksThePullFamily(t *testing.T) {
	var closed []RequestCode
	for _, v := range Verbs {
		if v.Served&ByBroker != 0 && v.Served&ByFastPort == 0 {
			closed = append(closed, v.Code)
		}
	}
	require.ElementsMatch(t, []RequestCode{
		ReqPullMessage, ReqLitePullMessage, ReqPeekMessage, ReqPopMessage, ReqPopLiteMessage, ReqNotification, ReqPollingInfo,
	}, closed)
}

func TestErrors(t *testing.T) {
	err := error(Errorf(RespTopicNotExist, "topic[%s] not exist", "t"))
	require.EqualError(t, err, "TOPIC_NOT_EXIST: topic[t] not exist")
	require.EqualError(t, &Error{Code: RespGoAway}, "GO_AWAY")

	wrapped := fmt.Errorf("send: %w", err)
	require.Equal(t, RespTopicNotExist, CodeOf(wrapped))
	require.True(t, IsCode(wrapped, RespTopicNotExist))
	require.ErrorIs(t, wrapped, &Error{Code: RespTopicNotExist})
	require.NotErrorIs(t, wrapped, &Error{Code: RespTopicNotExist, Remark: "other"})
	require.Equal(t, RespSuccess, CodeOf(nil))
	require.Equal(t, RespSystemError, CodeOf(errors.New("disk")))
}

func TestOpt(t *testing.T) {
	require.Equal(t, int32(7), Opt[int32]{}.Or(7))
	require.Equal(t, int32(0), Some(int32(0)).Or(7))
	require.Equal(t, "<absent>", Opt[bool]{}.String())
	require.Equal(t, "true -1 5 x", fmt.Sprint(Some(true), " ", Some(int64(-1)), " ", Some(int32(5)), " ", Some("x")))
	for s, want := range map[string]bool{"true": true, "TRUE": true, "1": false, "": false, "yes": false} {
		require.Equal(t, want, ParseBool(s), s)
	}
}
