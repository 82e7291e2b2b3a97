package inspect

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestSoundStores(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, storeConfig(mem))
	list := fill(t, s, 200)

	t.Run("in use", func(t *testing.T) {
		r := check(t, config(mem))
		require.Empty(t, r.Problems)
		require.False(t, r.Start.Clean)
		require.EqualValues(t, 200, r.Start.UnitsToBuild)
		require.NoError(t, s.Checkpoint())
		r = check(t, config(mem))
		require.Empty(t, r.Problems)
		require.Zero(t, r.Start.UnitsToBuild)
		require.Equal(t, list[199].phy, r.Start.From)
	})
	closeStore(t, s)
	t.Run("closed", func(t *testing.T) {
		r := check(t, config(mem))
		require.True(t, r.Sound(), "%v", r.Problems)
		require.True(t, r.Start.Clean)
		require.EqualValues(t, 200, r.Parts[0].Items)
		require.EqualValues(t, 200, r.Parts[1].Items)
		require.EqualValues(t, 200*4, r.Parts[3].Items)
		require.Equal(t, list[199].phy+list[199].size, r.Start.End)
	})
	t.Run("crashed", func(t *testing.T) {
		s := open(t, storeConfig(mem))
		fill(t, s, 30)
		r := check(t, config(mem))
		require.Empty(t, r.Problems)
		require.EqualValues(t, 30, r.Start.UnitsToBuild)
		closeStore(t, s)
	})
	t.Run("topic deleted and made again", func(t *testing.T) {
		s := open(t, storeConfig(mem))
		require.NoError(t, s.DeleteTopic("U"))
		fill(t, s, 30)
		closeStore(t, s)
		r := check(t, config(mem))
		require.Empty(t, r.Problems)
		require.Positive(t, r.Orphans)
	})
	t.Run("old files deleted", func(t *testing.T) {
		cfg := storeConfig(mem)
		cfg.Retention = func() store.Retention { return store.Retention{BatchSize: 3} } // all are aged
		s := open(t, cfg)
		require.NoError(t, s.CleanNow(context.Background()))
		closeStore(t, s)
		r := check(t, config(mem))
		require.Empty(t, r.Problems)
		require.Positive(t, r.LogMin)
	})
}

func TestNoStore(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll(dir))
	_, err := Open(config(mem))
	require.ErrorIs(t, err, ErrNoStore)
	_, err = Open(Config{FS: mem, Dir: "/nowhere"})
	require.ErrorIs(t, err, ErrNoStore)
}

func put64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// TestDamageIsFound damages a closed store in every kind of way.
func TestDamageIsFound(t *testing.T) {
	const (
		log0 = "/store/commitlog/00000000000000000000"
		log1 = "/store/commitlog/00000000000000008192"
		cq   = "/store/consumequeue/T/0/00000000000000000000"
	)
	for _, bad := range []struct {
		name   string
		file   string // of the problem
		at     int64
		damage func(t *testing.T, fs vfs.FS, list []sent, index string)
		want   string
	}{
		{"body", log0, 0, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, log0, 90, []byte("x")) }, "body checksum"},
		{"magic", log0, 0, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, log0, 4, []byte("x")) }, "expected a record: the next good one is at offset"},
		{"size", log0, 0, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, log0, 0, []byte{1}) }, "size 16"},
		{"offset", log0, 0, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, log0, 28, put64(7)) }, "record says it is at 7, expected 0"},
		{"store time", log0, -2, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			overwrite(t, fs, log0, list[1].phy+56, put64(5))
		}, "found store time 5, expected at least"},
		{"zeroed page", log1, -2, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			overwrite(t, fs, log1, 4096, make([]byte, 1024))
		}, "the next good one is at offset"},
		{"missing log file", log1, -1, func(t *testing.T, fs vfs.FS, list []sent, _ string) { require.NoError(t, fs.Remove(log1)) }, "found no such file"},
		{"short log file", log1, -1, func(t *testing.T, fs vfs.FS, list []sent, _ string) { resize(t, fs, log1, 5000) }, "found a length of 5000 bytes, expected 8192 bytes"},
		{"foreign log file", "/store/commitlog/notes", -1, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			_, err := fs.Create("/store/commitlog/notes")
			require.NoError(t, err)
		}, "expected 20 digits"},
		{"last record", "", -2, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			last := list[len(list)-1].phy
			overwrite(t, fs, "/store/commitlog/"+fmt.Sprintf("%020d", last-last%8192), last%8192+90, []byte("xxx"))
		}, "as the checkpoint or a consume queue says"},
		{"unit offset", cq, 3 * 20, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, cq, 60, put64(list[12].phy+1)) }, "expected the offset of a record"},
		{"unit order", cq, 4 * 20, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, cq, 80, put64(list[4].phy)) }, "expected a physical offset above"},
		{"unit tags", cq, 0, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, cq, 12, put64(9)) }, "tags code 9, expected a unit with offset 0"},
		{"unit size", cq, 20, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, cq, 28, []byte{0, 0, 0, 99}) }, "size 99"},
		{"unit zeroed", cq, 3 * 20, func(t *testing.T, fs vfs.FS, list []sent, _ string) { overwrite(t, fs, cq, 40, make([]byte, 20)) }, "expected zeros: units end before it"},
		{"queue file length", cq, -1, func(t *testing.T, fs vfs.FS, list []sent, _ string) { resize(t, fs, cq, 300) }, "found a length of 300 bytes, expected 400"},
		{"queue file missing", "/store/consumequeue/T/0/00000000000000000800", -1, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			require.NoError(t, fs.Remove("/store/consumequeue/T/0/00000000000000000400"))
		}, "found no file before it"},
		{"queue missing", "/store/consumequeue/T/0", -1, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			require.NoError(t, fs.RemoveAll("/store/consumequeue/T/0"))
		}, "found no units for 50 records"},
		{"index hash", "index", -2, func(t *testing.T, fs vfs.FS, list []sent, index string) {
			overwrite(t, fs, index, 40+200+20*3, []byte{1, 2, 3, 4})
		}, "expected one of the hashes"},
		{"index offset", "index", -2, func(t *testing.T, fs vfs.FS, list []sent, index string) {
			overwrite(t, fs, index, 40+200+20*3+4, put64(1))
		}, "expected the offset of a record"},
		{"index chain", "index", -2, func(t *testing.T, fs vfs.FS, list []sent, index string) {
			overwrite(t, fs, index, 40+200+20*150+16, []byte{0, 0, 0, 199})
		}, "the last entry of slot"},
		{"index slot", "index", 40 + 4*7, func(t *testing.T, fs vfs.FS, list []sent, index string) {
			overwrite(t, fs, index, 40+4*7, []byte{0, 0, 0, 0})
		}, "slot 7 with entry 0"},
		{"index time", "index", -2, func(t *testing.T, fs vfs.FS, list []sent, index string) {
			overwrite(t, fs, index, 40+200+20*3+12, []byte{0, 0, 9, 9})
		}, "the time since the file begins"},
		{"checkpoint", "/store/checkpoint", 40, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			overwrite(t, fs, "/store/checkpoint", 40, put64(1<<40))
		}, "logicsPhysicalOffset 1099511627776"},
		{"checkpoint time", "/store/checkpoint", 8, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			overwrite(t, fs, "/store/checkpoint", 8, put64(1<<60))
		}, "logicsMsgTimestamp"},
		{"topics", "/store/config/topics.json", 18, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			require.NoError(t, vfs.ReplaceFile(fs, "/store/config/topics.json", []byte(`{"dataVersion":{} "x"}`)))
		}, "json: byte 18"},
		{"consumer offset", "/store/config/consumerOffset.json", -1, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			require.NoError(t, vfs.ReplaceFile(fs, "/store/config/consumerOffset.json", []byte(`{"offsetTable":{"T@g":{0:51,1:50}}}`)))
		}, "T@g queue 0 at offset 51, expected at most 50"},
		{"timer log", "/store/timerlog/00000000000000000000", 0, func(t *testing.T, fs vfs.FS, list []sent, _ string) {
			require.NoError(t, fs.MkdirAll("/store/timerlog"))
			_, err := fs.Create("/store/timerlog/00000000000000000000")
			require.NoError(t, err)
			overwrite(t, fs, "/store/timerlog/00000000000000000000", 0, append([]byte{0, 0, 0, 53}, make([]byte, 1000)...))
		}, "a record of size 53"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			mem := vfs.NewMem()
			s := open(t, storeConfig(mem))
			list := fill(t, s, 200)
			closeStore(t, s)
			infos, err := mem.ReadDir("/store/index")
			require.NoError(t, err)
			bad.damage(t, mem, list, "/store/index/"+infos[0].Name)
			r := check(t, config(mem))
			var found []string
			for _, p := range r.Problems {
				if strings.Contains(p.String(), bad.want) && strings.Contains(p.File, bad.file) && (bad.at == -2 || p.Offset == bad.at) {
					return
				}
				found = append(found, p.String())
			}
			require.Fail(t, "not found", "%s:\n%s", bad.want, strings.Join(found, "\n"))
		})
	}
}

func TestListAndRead(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, storeConfig(mem))
	list := fill(t, s, 200)
	closeStore(t, s)
	d, err := Open(config(mem))
	require.NoError(t, err)
	defer d.Close()
	ctx := context.Background()

	var queues []QueueInfo
	require.NoError(t, d.Queues(ctx, func(q QueueInfo) error { queues = append(queues, q); return nil }))
	require.Len(t, queues, 4)
	require.Equal(t, "T", queues[1].Topic)
	require.EqualValues(t, 50, queues[1].Max)
	require.Zero(t, queues[1].Min)
	require.Positive(t, queues[1].FirstStore)
	records := int64(0)
	require.NoError(t, d.LogFiles(ctx, func(f LogFileInfo) error { records += f.Records; return nil }))
	require.EqualValues(t, 200, records)
	files, err := d.IndexFiles()
	require.NoError(t, err)
	require.NotEmpty(t, files)

	read := func(q Query) (phys []int64) {
		skipped, err := d.Messages(ctx, q, func(rec []byte) error {
			phys = append(phys, int64(binary.BigEndian.Uint64(rec[28:])))
			return nil
		})
		require.NoError(t, err)
		require.Zero(t, skipped)
		return phys
	}
	require.Len(t, read(Query{Queue: -1}), 200)
	require.Len(t, read(Query{Topic: "T", Queue: -1}), 100)
	require.Equal(t, []int64{list[8].phy, list[12].phy}, read(Query{Topic: "T", Queue: 0, From: 2, To: 4}))
	require.Equal(t, []int64{list[9].phy}, read(Query{Key: "k9"}))
	require.Equal(t, []int64{list[9].phy}, read(Query{ID: "ID9"}))
	require.Len(t, read(Query{Key: "all", Limit: 5}), 5)
	require.Equal(t, []int64{list[10].phy, list[11].phy}, read(Query{From: list[10].phy, To: list[12].phy}))
	require.Empty(t, read(Query{Since: 1 << 60}))
	require.Len(t, read(Query{ID: fmt.Sprintf("7F00000100002A9F%016X", list[7].phy)}), 1)
	_, err = d.Messages(ctx, Query{Topic: "X", Queue: -1}, nil)
	require.ErrorContains(t, err, `topic "X"`)
}
