package javajson

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// write streams a value that the test also marshals.
func write(s *Stream, entries int) error {
	s.Member("dataVersion", map[string]int{"counter": 1})
	s.Open("empty")
	s.End()
	s.Open("offsetTable")
	for i := range entries {
		s.Open("topic@" + strconv.Itoa(1_000_000+i))
		s.Number(0, int64(i))
		s.Number(17, -1)
		s.End()
	}
	s.End()
	return s.Close()
}

func streamed(entries int) map[string]any {
	table := map[string]map[int32]int64{}
	for i := range entries {
		table["topic@"+strconv.Itoa(1_000_000+i)] = map[int32]int64{0: int64(i), 17: -1}
	}
	return map[string]any{"dataVersion": map[string]int{"counter": 1}, "empty": map[string]int{}, "offsetTable": table}
}

// TestStreamIsMarshal compares a stream with the whole value marshalled.
func TestStreamIsMarshal(t *testing.T) {
	for _, entries := range []int{0, 1, 5000} {
		var pretty, compact bytes.Buffer
		require.NoError(t, write(NewStream(&pretty), entries))
		require.Equal(t, string(MarshalPretty(streamed(entries))), pretty.String())
		require.NoError(t, write(NewCompactStream(&compact), entries))
		require.Equal(t, string(Marshal(streamed(entries))), compact.String())
	}
}

type failingWriter struct{ calls int }

var errFull = errors.New("no space left")

func (w *failingWriter) Write([]byte) (int, error) { w.calls++; return 0, errFull }

func TestStreamStopsAtTheFirstError(t *testing.T) {
	w := &failingWriter{}
	require.ErrorIs(t, write(NewStream(w), 50_000), errFull)
	require.Equal(t, 1, w.calls)
}
