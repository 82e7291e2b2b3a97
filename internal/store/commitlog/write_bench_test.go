package commitlog

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

// BenchmarkWrite compares the two ways in which a group of records can get into a
// file, by its size: ADR 0012.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1 << 10, 8 << 10, 64 << 10, 512 << 10} {
		group := make([]byte, size)
		for i := range group {
			group[i] = byte(i)
		}
		b.Run(fmt.Sprintf("pwrite %d KiB", size>>10), func(b *testing.B) {
			benchFiles(b, size, func(b *testing.B, f vfs.File) func(at int64) {
				return func(at int64) {
					if _, err := f.WriteAt(group, at); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
		b.Run(fmt.Sprintf("mapping %d KiB", size>>10), func(b *testing.B) {
			benchFiles(b, size, func(b *testing.B, f vfs.File) func(at int64) {
				m, err := f.Map(benchFile)
				require.NoError(b, err)
				b.Cleanup(func() { require.NoError(b, m.Close()) })
				return func(at int64) { copy(m.Bytes()[at:], group) }
			})
		})
	}
}

const benchFile = 128 << 20

// benchFiles fills files of a directory, one after the other.
func benchFiles(b *testing.B, size int, open func(*testing.B, vfs.File) func(at int64)) {
	dir := b.TempDir()
	var write func(at int64)
	at, files := int64(benchFile), 0
	b.SetBytes(int64(size))
	for b.Loop() {
		if at+int64(size) > benchFile {
			b.StopTimer()
			f, err := vfs.OS.Create(filepath.Join(dir, FileName(int64(files%4))))
			require.NoError(b, err)
			require.NoError(b, f.Truncate(0))
			require.NoError(b, f.Truncate(benchFile))
			b.Cleanup(func() { require.NoError(b, f.Close()) })
			write = open(b, f)
			at, files = 0, files+1
			b.StartTimer()
		}
		write(at)
		at += int64(size)
	}
}

// BenchmarkSync is one group of 1 KiB and one sync, at the end of a file whose
// blocks were never written, and of one that was filled with zeros before.
func BenchmarkSync(b *testing.B) {
	for _, ahead := range []string{"sparse", "zeros"} {
		b.Run(ahead, func(b *testing.B) {
			f, err := vfs.OS.Create(filepath.Join(b.TempDir(), "log"))
			require.NoError(b, err)
			require.NoError(b, f.Truncate(benchFile))
			if ahead == "zeros" {
				for at := int64(0); at < benchFile; at += 1 << 20 {
					_, err := f.WriteAt(make([]byte, 1<<20), at)
					require.NoError(b, err)
				}
			}
			require.NoError(b, f.Sync())
			group := make([]byte, 1<<10)
			group[0] = 1
			at := int64(0)
			for b.Loop() {
				if _, err := f.WriteAt(group, at%benchFile); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				at += int64(len(group))
			}
			b.StopTimer()
			require.NoError(b, f.Close())
		})
	}
}
