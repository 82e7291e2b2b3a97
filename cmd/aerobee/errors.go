package main

import "fmt"

// usageError is a mistake on the command line or in a configuration: it names the
// flag or key, the value and what is allowed. The process ends with exit code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }

func (e usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
