package protocol

import (
	"errors"
	"fmt"
)

// Error is the outcome of a request that did not succeed: the code and the
// remark that go on the wire. Handlers return it; any other Go error leaves the
// server as RespSystemError with the error's text as remark.
//
// An Error is immutable once it has been returned.
type Error struct {
	Code   ResponseCode
	Remark string
}

// Errorf returns an Error with the code and a formatted remark.
func Errorf(code ResponseCode, format string, args ...any) *Error {
	return &Error{Code: code, Remark: fmt.Sprintf(format, args...)}
}

// Error returns the name of the code and the remark.
func (e *Error) Error() string {
	if e.Remark == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Remark
}

// Is makes errors.Is(err, &Error{Code: c}) true for every Error with that code,
// whatever the remark says.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Remark == "" || t.Remark == e.Remark)
}

// CodeOf returns the response code that err stands for: RespSuccess for nil, the
// code of the first Error in its chain, RespSystemError otherwise.
func CodeOf(err error) ResponseCode {
	if err == nil {
		return RespSuccess
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return RespSystemError
}

// IsCode reports whether err carries the response code.
func IsCode(err error, code ResponseCode) bool { return CodeOf(err) == code }
