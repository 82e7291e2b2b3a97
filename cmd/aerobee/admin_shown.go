package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/admin"
)

// shownMessage is a message as it is printed, for people and as JSON. A body that
// is not text is base64 in BodyBase64.
type shownMessage struct {
	ID             string            `json:"msgId"`
	OffsetID       string            `json:"offsetMsgId"`
	Topic          string            `json:"topic"`
	Broker         string            `json:"broker,omitempty"`
	Queue          int32             `json:"queueId"`
	Offset         int64             `json:"queueOffset"`
	LogOffset      int64             `json:"commitLogOffset"`
	Tag            string            `json:"tag,omitempty"`
	Keys           []string          `json:"keys,omitempty"`
	Properties     map[string]string `json:"properties"`
	Flag           int32             `json:"flag"`
	SysFlag        int32             `json:"sysFlag"`
	ReconsumeTimes int32             `json:"reconsumeTimes"`
	BornAt         time.Time         `json:"bornTime"`
	BornHost       string            `json:"bornHost"`
	StoredAt       time.Time         `json:"storeTime"`
	StoreHost      string            `json:"storeHost"`
	Size           int               `json:"storeSize"`
	Body           string            `json:"body,omitempty"`
	BodyBase64     string            `json:"bodyBase64,omitempty"`
	Deliveries     []admin.Delivery  `json:"deliveries,omitempty"`
}

func shownMessageOf(m *client.MessageView) shownMessage {
	s := shownMessage{
		ID: m.ID(), OffsetID: m.OffsetID(), Topic: m.Topic(), Broker: m.Queue.Broker, Queue: m.Queue.ID, Offset: m.Offset,
		LogOffset: m.LogOffset, Tag: m.Tag(), Keys: m.Keys(), Properties: m.Properties, Flag: m.Flag, SysFlag: m.SysFlag,
		ReconsumeTimes: m.ReconsumeTimes, BornAt: m.BornAt, BornHost: m.BornHost.String(), StoredAt: m.StoredAt,
		StoreHost: m.StoreHost.String(), Size: m.Size,
	}
	if utf8.Valid(m.Body) {
		s.Body = string(m.Body)
	} else {
		s.BodyBase64 = base64.StdEncoding.EncodeToString(m.Body)
	}
	return s
}

// view lists everything about the message.
func (s shownMessage) view() view {
	body := s.Body
	if s.BodyBase64 != "" {
		body = "base64 " + s.BodyBase64
	}
	var props []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		props = append(props, name+"="+s.Properties[name])
	}
	return pairs("",
		"message id", s.ID, "offset id", s.OffsetID, "topic", s.Topic, "tag", s.Tag, "keys", strings.Join(s.Keys, " "),
		"broker", s.Broker, "queue", s.Queue, "queue offset", s.Offset, "commit log offset", s.LogOffset,
		"reconsume times", s.ReconsumeTimes, "born", s.BornAt, "stored", s.StoredAt, "born host", s.BornHost,
		"store host", s.StoreHost, "flag", s.Flag, "system flag", fmt.Sprintf("%#x", s.SysFlag),
		"properties", strings.Join(props, " "), "body", body)
}

func (s shownMessage) deliveries() view {
	v := view{header: []any{"group", "delivery", "why"}}
	for _, d := range s.Deliveries {
		v.add(d.Group, d.Status, d.Err)
	}
	return v
}
