package window

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCommitStopsAtTheFirstOpenMessage(t *testing.T) {
	w := New(10)
	require.EqualValues(t, 10, w.Commit())
	for _, off := range []int64{10, 11, 15} {
		require.True(t, w.Add(off, 100))
	}
	require.False(t, w.Add(15, 100))
	require.EqualValues(t, 5, w.Span())
	require.True(t, w.Done(11))
	require.False(t, w.Done(11))
	require.EqualValues(t, 10, w.Commit())
	require.Equal(t, 2, w.Len())
	require.Equal(t, 200, w.Bytes())
	require.True(t, w.Done(10))
	require.EqualValues(t, 15, w.Commit())
	w.Advance(40)
	require.EqualValues(t, 15, w.Commit(), "what was skipped does not hide what is open")
	require.True(t, w.Done(15))
	require.EqualValues(t, 40, w.Commit())
	require.False(t, w.Done(99))
	require.Zero(t, w.Span())
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := New(0)
		open := make(map[int64]bool)
		next, committed := int64(0), int64(0)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "pull") {
				next += int64(rapid.IntRange(0, 3).Draw(t, "gap"))
				w.Add(next, 1)
				open[next] = true
				next++
			} else {
				off := int64(rapid.IntRange(0, int(next)+1).Draw(t, "done"))
				if w.Done(off) != open[off] {
					t.Fatalf("done %d", off)
				}
				delete(open, off)
			}
			want := next
			for off := range open {
				want = min(want, off)
			}
			if w.Commit() != want || w.Len() != len(open) || w.Bytes() != len(open) || want < committed {
				t.Fatalf("commit %d of %d, %d open of %d, earlier %d", w.Commit(), want, w.Len(), len(open), committed)
			}
			committed = want
		}
	})
}
