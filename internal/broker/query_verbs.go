package broker

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// mayBlock runs f on a worker.
func (b *Broker) mayBlock(c *remoting.Call, f func(c *remoting.Call) error) error {
	c.Detach(func(_ context.Context, c *remoting.Call) error { return f(c) })
	return nil
}

// Kinds of keys of a query (indexType).
const (
	indexUnique = "U"
	indexTag    = "T"
	uniqueQuery = "_UNIQUE_KEY_QUERY" // extra field that says indexUnique
	tagMark     = "T#"                // before a tag in the index
)

// maxQueryBytes bounds the records of one answer.
const maxQueryBytes = 16 << 20

// queryMessage serves QUERY_MESSAGE (remoting.md 5.9): messages of a topic by key.
func (b *Broker) queryMessage(c *remoting.Call) error {
	var h protocol.QueryMessageRequest
	if err := remoting.Bind(c.Ext, &h); err != nil {
		return err
	}
	cfg := b.config()
	limit := int(h.MaxNum)
	if v, _ := c.Ext.Get(uniqueQuery); protocol.ParseBool(v) {
		h.IndexType, limit = indexUnique, cfg.DefaultQueryMaxNum
	}
	limit = min(limit, cfg.MaxMsgsNumBatch)
	return b.mayBlock(c, func(c *remoting.Call) error {
		var response protocol.QueryMessageResponse
		response.IndexLastUpdateTimestamp, response.IndexLastUpdatePhyoffset = b.store.IndexLast()
		body := b.findByKey(&h, limit)
		if len(body) == 0 {
			c.Reply(remoting.Reply{Code: protocol.RespQueryNotFound, Remark: "can not find message, maybe time range not correct", Header: &response})
			return nil
		}
		c.Reply(remoting.Reply{Header: &response, Body: body})
		return nil
	})
}

// findByKey gives the records that really have the key: the index knows hashes.
func (b *Broker) findByKey(h *protocol.QueryMessageRequest, limit int) (body []byte) {
	if limit <= 0 {
		return nil
	}
	key := h.Key
	if h.IndexType == indexTag {
		key = tagMark + key
	}
	found := 0
	for _, physical := range b.store.QueryIndex(h.Topic, key, limit, h.BeginTimestamp, h.EndTimestamp) {
		at := len(body)
		longer, err := b.store.Record(physical, body)
		if err != nil {
			continue // removed meanwhile
		}
		m, err := message.Parse(longer[at:])
		if err != nil || m.Topic != h.Topic || !hasKey(m.Properties, h.Key, h.IndexType) || b.store.Hidden(m.Topic, m.QueueID, physical) {
			continue
		}
		body = longer
		if found++; found >= limit || len(body) >= maxQueryBytes {
			break
		}
	}
	return body
}

// hasKey tells whether a message has the key in the properties that the kind of
// the query looks at.
func hasKey(props, key, kind string) bool {
	switch kind {
	case indexUnique:
		v, _ := message.Property(props, message.PropUniqKey)
		return v == key
	case indexTag:
		v, _ := message.Property(props, message.PropTags)
		return v == key
	}
	if v, _ := message.Property(props, message.PropUniqKey); v == key {
		return true
	}
	v, _ := message.Property(props, message.PropKeys)
	return slices.Contains(strings.Fields(v), key)
}

// viewMessageByID serves VIEW_MESSAGE_BY_ID: the record at a physical offset.
func (b *Broker) viewMessageByID(c *remoting.Call) error {
	var h protocol.ViewMessageRequest
	if err := remoting.Bind(c.Ext, &h); err != nil {
		return err
	}
	return b.mayBlock(c, func(c *remoting.Call) error {
		rec, err := b.store.Record(h.Offset, nil)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return protocol.Errorf(protocol.RespSystemError, "can not find message by the offset, %d", h.Offset)
		case err != nil:
			return protocol.Errorf(protocol.RespSystemError, "no message begins at offset %d: %v", h.Offset, err)
		}
		if m, err := message.Parse(rec); err == nil && b.store.Hidden(m.Topic, m.QueueID, h.Offset) {
			return protocol.Errorf(protocol.RespSystemError, "can not find message by the offset, %d", h.Offset)
		}
		c.Reply(remoting.Reply{Body: rec})
		return nil
	})
}
