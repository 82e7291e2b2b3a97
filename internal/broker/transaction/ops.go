package transaction

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Tags of op messages. Java writes and acts on the first; the second is ours,
// and Java's broker passes over it.
const (
	tagDone   = "d"
	tagChecks = "c"
)

// closedNote stands for the number of checks of a half message that was given up
// or carried: a late commit of it is still to be stored.
const closedNote = -1

var errOp = errors.New("not an op message")

// appendDone appends a half offset to the body of an op message.
func appendDone(dst []byte, offset int64) []byte {
	return append(strconv.AppendInt(dst, offset, 10), ',')
}

// appendNote appends what is known of the checks of a half message.
func appendNote(dst []byte, offset int64, checks int32) []byte {
	dst = append(strconv.AppendInt(dst, offset, 10), ':')
	return append(strconv.AppendInt(dst, int64(checks), 10), ',')
}

// readDone calls visit for each half offset in the body of a "d" message. Old
// brokers wrote one without a comma.
func readDone(body string, visit func(offset int64)) error {
	for len(body) > 0 {
		text, rest, _ := strings.Cut(body, ",")
		body = rest
		if text == "" {
			continue
		}
		offset, err := strconv.ParseInt(text, 10, 64)
		if err != nil || offset < 0 {
			return fmt.Errorf("%w: half offset %.32q", errOp, text)
		}
		visit(offset)
	}
	return nil
}

// readNotes calls visit for each entry of a "c" message.
func readNotes(body string, visit func(offset int64, checks int32)) error {
	for len(body) > 0 {
		entry, rest, _ := strings.Cut(body, ",")
		body = rest
		if entry == "" {
			continue
		}
		left, right, _ := strings.Cut(entry, ":")
		offset, err := strconv.ParseInt(left, 10, 64)
		checks, err2 := strconv.ParseInt(right, 10, 32)
		if err != nil || err2 != nil || offset < 0 || checks < closedNote {
			return fmt.Errorf("%w: note %.32q", errOp, entry)
		}
		visit(offset, int32(checks))
	}
	return nil
}
