package namesrv

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

const kvPath = "namesrv/kvConfig.json"

func mustOpenKV(t *testing.T, fs vfs.FS) *kvStore {
	t.Helper()
	s, err := openKV(fs, kvPath)
	require.NoError(t, err)
	return s
}

func TestKVSurvivesRestart(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpenKV(t, fs)
	_, ok := s.list("n")
	require.False(t, ok)
	require.NoError(t, s.remove("n", "k"))
	require.NoError(t, s.put("n", "k", "v é", 10))
	require.NoError(t, s.put("n", "k2", "", 10))
	require.NoError(t, s.put(orderNamespace, "T", "a:1;b:2", 10))
	require.NoError(t, s.remove("n", "k2"))

	s = mustOpenKV(t, fs)
	v, ok := s.get("n", "k")
	require.True(t, ok)
	require.Equal(t, "v é", v)
	_, ok = s.get("n", "k2")
	require.False(t, ok)

	require.NoError(t, s.remove("n", "k"))
	s = mustOpenKV(t, fs)
	entries, ok := s.list("n")
	require.True(t, ok, "an empty namespace stays")
	require.Empty(t, entries)
	data, err := vfs.ReadFile(fs, kvPath)
	require.NoError(t, err)
	require.Equal(t, `{"configTable":{"ORDER_TOPIC_CONFIG":{"T":"a:1;b:2"},"n":{}}}`, string(data), "Java's bytes")
	_, err = vfs.ReadFile(fs, kvPath+".bak")
	require.NoError(t, err)
}

func TestKVReadsJavaFilesAndBackups(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, vfs.ReplaceFile(fs, kvPath, []byte(`{"configTable":{"n":{"k":"old"}}}`)))
	require.NoError(t, vfs.ReplaceFile(fs, kvPath, []byte(`{"configTable":{"n":{"k":"v"`)))
	v, _ := mustOpenKV(t, fs).get("n", "k")
	require.Equal(t, "old", v)

	require.NoError(t, vfs.ReplaceFile(fs, kvPath, []byte(`{}`)))
	_, ok := mustOpenKV(t, fs).list("n")
	require.False(t, ok)

	require.NoError(t, vfs.ReplaceFile(fs, kvPath, []byte(`nonsense`)))
	require.NoError(t, vfs.ReplaceFile(fs, kvPath, []byte(`nonsense`)))
	_, err := openKV(fs, kvPath)
	require.ErrorContains(t, err, kvPath)
}

func TestKVLimits(t *testing.T) {
	s := mustOpenKV(t, vfs.NewMem())
	require.NoError(t, s.put("n", "1", "", 3))
	require.NoError(t, s.put("n", "2", "", 3))
	err := s.put("n", "3", "", 3)
	require.ErrorContains(t, err, "aerobeeMaxKVEntries")
	require.NoError(t, s.put("n", "2", "again", 3))
	require.True(t, protocol.IsCode(s.put("n", "k", strings.Repeat("x", maxKVText+1), 3), protocol.RespInvalidParameter))
}

func TestKVThatCannotBeWrittenIsNotVisible(t *testing.T) {
	full := errors.New("disk full")
	fs := vfs.WithFaults(vfs.NewMem(), func(op vfs.Op, _ string, _ int) (int, error) {
		if op == vfs.OpSync {
			return 0, full
		}
		return 0, nil
	})
	s := mustOpenKV(t, fs)
	require.ErrorIs(t, s.put("n", "k", "v", 10), full)
	_, ok := s.get("n", "k")
	require.False(t, ok)
}
