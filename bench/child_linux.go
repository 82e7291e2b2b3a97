package main

import "syscall"

// childAttributes put a child into a group of its own, so that an interrupt is
// for the benchmark alone, and end it when the benchmark is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
