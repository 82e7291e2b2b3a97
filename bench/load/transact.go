package load

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// Transact sends half messages and commits each when it is answered; a message
// counts when its commit is.
func Transact(ctx context.Context, c Config) (Result, error) {
	c.half = true
	c.Batch, c.Rate = 1, 0
	return Produce(ctx, c)
}

const markCommitLog = 188888888888885 // 15 digits, as markOffset

// ender makes the requests that commit half messages.
type ender struct {
	frame  []byte
	opaque int
	table  int // place of the half message's offset in its queue
	log    int // and in the commit log
}

func newEnder(c Config, broker string) (*ender, error) {
	b, err := remoting.AppendCommand(nil, &remoting.Command{
		Code: int32(protocol.ReqEndTransaction), Language: protocol.LanguageJava, Version: protocol.Version,
		Opaque: markOpaque, Codec: remoting.CodecJSON, Ext: remoting.Fields{
			{Key: "topic", Value: c.Topic},
			{Key: "producerGroup", Value: c.Group},
			{Key: "tranStateTableOffset", Value: strconv.Itoa(markOffset)},
			{Key: "commitLogOffset", Value: strconv.Itoa(markCommitLog)},
			{Key: "commitOrRollback", Value: strconv.Itoa(protocol.TransactionCommit)},
			{Key: "fromTransactionCheck", Value: "false"},
			{Key: "msgId", Value: uniqPrefix},
			{Key: "transactionId", Value: uniqPrefix},
			{Key: "bname", Value: broker},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("request %v: %w", protocol.ReqEndTransaction, err)
	}
	e := &ender{frame: b}
	for at, mark := range map[*int]int{&e.opaque: markOpaque, &e.table: markOffset, &e.log: markCommitLog} {
		found := places(b, strconv.Itoa(mark))
		if len(found) != 1 {
			return nil, fmt.Errorf("request %v: %d places for digits like %d; a name in it looks like one", protocol.ReqEndTransaction, len(found), mark)
		}
		*at = found[0]
	}
	putDecimal(b[e.opaque:e.opaque+10], opaqueBase)
	return e, nil
}

// commit appends the request that commits what a response says was stored.
func (e *ender) commit(dst []byte, slot int, resp *response) ([]byte, error) {
	table, ok1 := digits(resp.field("queueOffset"))
	id := resp.field("msgId")
	var log uint64
	ok2 := len(id) >= 32
	if ok2 {
		var err error
		log, err = strconv.ParseUint(string(id[16:32]), 16, 63)
		ok2 = err == nil
	}
	if !ok1 || !ok2 {
		return dst, fmt.Errorf("%w: no place of the half message in %.300q", errResponse, resp.header)
	}
	at := len(dst)
	dst = append(dst, e.frame...)
	putDecimal(dst[at+e.opaque+10-slotDigits:at+e.opaque+10], int64(slot))
	putDecimal(dst[at+e.table:at+e.table+15], table)
	putDecimal(dst[at+e.log:at+e.log+15], int64(log))
	return dst, nil
}

// field is what follows the name of an extra field in the header.
func (resp *response) field(name string) []byte {
	i := bytes.Index(resp.header, []byte(name))
	if i < 0 || len(resp.header) < i+len(name)+4 {
		return nil
	}
	rest := resp.header[i+len(name):]
	if rest[0] == '"' {
		return rest[3:] // ":"
	}
	return rest[4:] // the binary header has the value's length here
}
