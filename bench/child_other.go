//go:build !linux

package main

import "syscall"

// childAttributes are the system's own.
func childAttributes() *syscall.SysProcAttr { return nil }
