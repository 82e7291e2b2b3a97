package client

import (
	"errors"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Errors that callers branch on.
var (
	// ErrClosed is returned by every operation of a closed client.
	ErrClosed = errors.New("client is closed")
	// ErrNoQueue means that a topic has no queue that can be used: nobody may
	// write or read it, or its brokers have no master.
	ErrNoQueue = errors.New("no usable queue")
	// ErrInvalidMessage means that a message cannot be sent as it is. The text
	// says why.
	ErrInvalidMessage = errors.New("invalid message")
)

// Code is a response code: what a server answered when it was not success.
type Code int32

// Codes that callers branch on; the protocol has more.
const (
	CodeSystemError         = Code(protocol.RespSystemError)
	CodeSystemBusy          = Code(protocol.RespSystemBusy)
	CodeNotSupported        = Code(protocol.RespRequestCodeNotSupported)
	CodeMessageIllegal      = Code(protocol.RespMessageIllegal)
	CodeServiceNotAvailable = Code(protocol.RespServiceNotAvailable)
	CodeNoPermission        = Code(protocol.RespNoPermission)
	CodeTopicNotExist       = Code(protocol.RespTopicNotExist)
	CodeQueryNotFound       = Code(protocol.RespQueryNotFound)
	CodeGroupNotExist       = Code(protocol.RespSubscriptionGroupNotExist)
	CodeInvalidParameter    = Code(protocol.RespInvalidParameter)
	CodeConsumerNotOnline   = Code(protocol.RespConsumerNotOnline)
)

// String returns the name the protocol gives the code.
func (c Code) String() string { return protocol.ResponseCode(c).String() }

// CodeOf tells which code a server answered with. It is false for an error that
// did not come from a server, for example a timeout.
func CodeOf(err error) (code Code, ok bool) {
	var e *protocol.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return Code(e.Code), true
}

// retryElsewhere tells whether another broker may do better: the answers are
// those that Java's producer retries, and everything that is not an answer.
func retryElsewhere(err error) bool {
	code, answered := CodeOf(err)
	if !answered {
		return true
	}
	switch protocol.ResponseCode(code) {
	case protocol.RespTopicNotExist, protocol.RespServiceNotAvailable, protocol.RespSystemError, protocol.RespSystemBusy,
		protocol.RespNoPermission, protocol.RespNoBuyerID, protocol.RespNotInCurrentUnit, protocol.RespGoAway:
		return true
	}
	return false
}
