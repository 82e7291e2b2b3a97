// Package vfs is the only way to files.
//
// The store, the brokers' state files and the nameserver's KV file reach the
// disk through FS, so that tests can run them on memory, cut the power at any
// point and let any call fail.
//
// There are two file systems: OS, the real one, and Mem, which keeps for every
// file what was written and what was synced, and can produce the directory that
// a power cut would leave behind (see Mem.Crash). WithFaults wraps either and
// fails chosen calls.
//
// ReplaceFile and LoadFile are the one way in which small state files are
// written and read: replaced atomically, with the previous generation beside
// them as path.bak, which is also where a Java broker keeps it.
//
// All methods are safe for concurrent use unless they say otherwise.
package vfs
