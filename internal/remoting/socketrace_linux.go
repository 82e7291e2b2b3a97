//go:build race

package remoting

import "syscall"

// For the race detector a message through a socket is an event between goroutines,
// which only package syscall tells it.

func socketRead(fd uintptr, b []byte) (int, error)  { return syscall.Read(int(fd), b) }
func socketWrite(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
