package transaction

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTableAgainstModel compares the table with a plain list of states, and the
// offsets with what they must be.
func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Int64Range(chunkSize-200, chunkSize).Draw(t, "first")
		tab := newTable(first, first, 0)
		model := map[int64]state{}
		end := first
		ops := int64(0)
		marks := []opMark{}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			pick := func() int64 { return rapid.Int64Range(max(first-3, 0), max(end-1, first)).Draw(t, "offset") }
			switch rapid.IntRange(0, 6).Draw(t, "op") {
			case 0, 1:
				end += rapid.Int64Range(1, 50).Draw(t, "grow")
				tab.extend(end)
			case 2, 3:
				at := pick()
				if v := tab.begin(at); model[at] == answered {
					require.Equal(t, already, v)
					continue
				} else {
					require.Equal(t, proceed, v)
				}
				require.Equal(t, busy, tab.begin(at))
				ended := rapid.Bool().Draw(t, "ended")
				tab.finish(at, ended)
				if ended && at < end {
					model[at] = answered
				}
			case 4:
				at := pick()
				tab.set(at, closed)
				if model[at] == open && at < end {
					model[at] = closed
				}
			case 5: // everything up to a position ends
				to := pick()
				for at := tab.first; at < min(to, end); at++ {
					tab.set(at, answered)
					model[at] = answered
				}
			case 6:
				last := pick()
				tab.mark(ops, last)
				tab.advance()
				marks = append(marks, opMark{ops, last})
				ops++
			}
			want, done := first, int64(0)
			for want < end && model[want] != open {
				want++
			}
			for at := want; at < end; at++ {
				if model[at] != open {
					done++
				}
			}
			require.Equal(t, want, tab.first)
			require.Equal(t, end-want-done, tab.openCount())
			wantOp := ops
			for _, m := range marks {
				if m.last >= want {
					wantOp = m.offset
					break
				}
			}
			require.LessOrEqual(t, tab.opFirst(), wantOp, "an op message that is needed was let go")
			if len(marks) > 0 && wantOp == ops {
				require.Equal(t, ops, tab.opFirst())
			}
		}
	})
}

func TestTableForgetsWhatIsFarBehind(t *testing.T) {
	tab := newTable(0, 0, 0)
	for i := int64(0); i < retained+3*chunkSize; i++ {
		tab.extend(i + 1)
		tab.set(i, answered)
	}
	require.LessOrEqual(t, len(tab.chunks), retained/chunkSize+2)
	require.Equal(t, proceed, tab.begin(5), "nobody knows any more: stored rather than lost")
	require.Equal(t, already, tab.begin(tab.end-1))
}

func TestCarriedOnlyWhenFewHoldUpMany(t *testing.T) {
	tab := newTable(0, carrySpan+10, 0)
	require.True(t, tab.add(half{offset: 0, origin: -1}))
	for i := int64(1); i < carrySpan+10; i++ {
		tab.set(i, answered)
	}
	tab.scanned = tab.end
	list := tab.toCarry()
	require.Len(t, list, 1)
	require.EqualValues(t, 0, list[0].offset)

	tab = newTable(0, 1000, 0)
	tab.add(half{offset: 0, origin: -1})
	require.Empty(t, tab.toCarry(), "waiting rewrites nothing")
}

func TestOriginAndItsCopyAreOneTransaction(t *testing.T) {
	tab := newTable(5, 10, 0)
	require.True(t, tab.add(half{offset: 7, origin: 2}))
	require.Equal(t, proceed, tab.begin(2))
	positions, n := tab.finish(2, true)
	require.Equal(t, []int64{2, 7}, positions[:n])
	require.Equal(t, already, tab.begin(7))

	tab = newTable(5, 10, 0)
	tab.set(6, answered)
	require.False(t, tab.add(half{offset: 8, origin: 6}), "its first record was answered")
}

func TestOpBodies(t *testing.T) {
	var got []int64
	collect := func(offset int64) { got = append(got, offset) }
	require.NoError(t, readDone("1,0,", collect))
	require.NoError(t, readDone("7", collect))
	require.NoError(t, readDone("", collect))
	require.Equal(t, []int64{1, 0, 7}, got)
	require.ErrorIs(t, readDone("1,x,", collect), errOp)
	require.ErrorIs(t, readDone("-1", collect), errOp)
	require.ErrorIs(t, readNotes("1:x", func(int64, int32) {}), errOp)
	require.ErrorIs(t, readNotes("1", func(int64, int32) {}), errOp)
}

func FuzzOpBodies(f *testing.F) {
	f.Add("1,0,")
	f.Add("5:1,6:-1,")
	f.Fuzz(func(t *testing.T, body string) {
		var done, notes []byte
		if readDone(body, func(offset int64) { done = appendDone(done, offset) }) == nil {
			var again []byte
			require.NoError(t, readDone(string(done), func(offset int64) { again = appendDone(again, offset) }))
			require.Equal(t, done, again)
		}
		if readNotes(body, func(offset int64, checks int32) { notes = appendNote(notes, offset, checks) }) == nil {
			var again []byte
			require.NoError(t, readNotes(string(notes), func(offset int64, checks int32) { again = appendNote(again, offset, checks) }))
			require.Equal(t, notes, again)
		}
	})
}
