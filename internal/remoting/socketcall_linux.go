//go:build !race

package remoting

import (
	"syscall"
	"unsafe"
)

func socketRead(fd uintptr, b []byte) (int, error)  { return socketCall(syscall.SYS_READ, fd, b) }
func socketWrite(fd uintptr, b []byte) (int, error) { return socketCall(syscall.SYS_WRITE, fd, b) }

// socketCall reads or writes a socket that does not block. It does not tell Go's
// scheduler: such a call takes some microseconds of CPU time and never waits, but
// the scheduler would take it for one that may, and watch it from another thread
// for more than the call costs. b must not be empty.
func socketCall(trap, fd uintptr, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN: // without an allocation
		return -1, syscall.EAGAIN
	default:
		return -1, errno
	}
}
