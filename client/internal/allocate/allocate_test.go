package allocate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/client/internal/cluster"
)

func queues(broker string, n int32) []cluster.Queue {
	var all []cluster.Queue
	for id := range n {
		all = append(all, cluster.Queue{Topic: "T", Broker: broker, ID: id})
	}
	return all
}

func ids(queues []cluster.Queue) (ids []int32) {
	for _, q := range queues {
		ids = append(ids, q.ID)
	}
	return ids
}

func TestVectors(t *testing.T) {
	members := []string{"c1", "c2", "c3"}
	for _, c := range []struct {
		s    Strategy
		want [][]int32
	}{
		{Averagely(), [][]int32{{0, 1, 2}, {3, 4, 5}, {6, 7}}},
		{InCircle(), [][]int32{{0, 3, 6}, {1, 4, 7}, {2, 5}}},
		{ConsistentHash(0), [][]int32{{0, 4}, {1, 2, 5, 6, 7}, {3}}}, // seen at a Java client
	} {
		for i, m := range members {
			require.Equal(t, c.want[i], ids(c.s.Allocate(m, members, queues("broker-a", 8))), "%s %s", c.s.Name(), m)
		}
		require.Empty(t, c.s.Allocate("stranger", members, queues("broker-a", 8)))
	}
	require.Equal(t, []int32{1}, ids(Averagely().Allocate("c2", members, queues("b", 2))))
	require.Empty(t, Averagely().Allocate("c3", members, queues("b", 2)))
}

func TestRooms(t *testing.T) {
	all := slices.Concat(queues("r1@a", 3), queues("r2@b", 2), queues("plain", 4))
	members := []string{"x", "y"}
	require.Equal(t, slices.Concat(queues("r1@a", 2), queues("r2@b", 2)[1:]), Rooms("r1", "r2").Allocate("x", members, all))
	require.Equal(t, slices.Concat(queues("r1@a", 3)[2:], queues("r2@b", 2)[:1]), Rooms("r1", "r2").Allocate("y", members, all))

	room := func(name string) string { r, _, _ := strings.Cut(name, "@"); return r }
	near := Nearby(Averagely(), room, room)
	require.Equal(t, "MACHINE_ROOM_NEARBY-AVG", near.Name())
	members = []string{"r1@x", "r1@y", "r3@z"}
	all = slices.Concat(queues("r1@a", 2), queues("r2@b", 3))
	require.Equal(t, slices.Concat(queues("r1@a", 1), queues("r2@b", 1)), near.Allocate("r1@x", members, all))
	require.Equal(t, queues("r2@b", 3)[2:], near.Allocate("r3@z", members, all), "a room without members is shared by all")
}

func TestEveryQueueHasOneOwner(t *testing.T) {
	room := func(name string) string { return name[:1] }
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab][0-9]{1,3}`), 1, 12, rapid.ID).Draw(t, "members")
		slices.Sort(members)
		var all []cluster.Queue
		for b := range rapid.IntRange(1, 3).Draw(t, "brokers") {
			all = append(all, queues(fmt.Sprintf("%c%d", 'a'+b, b), int32(rapid.IntRange(0, 20).Draw(t, "queues")))...)
		}
		for _, s := range []Strategy{Averagely(), InCircle(), ConsistentHash(3), Nearby(Averagely(), room, room)} {
			owners := make(map[cluster.Queue]string)
			for _, m := range members {
				for _, q := range s.Allocate(m, members, all) {
					if other, taken := owners[q]; taken {
						t.Fatalf("%s: %v belongs to %s and %s", s.Name(), q, other, m)
					}
					owners[q] = m
				}
			}
			if len(owners) != len(all) {
				t.Fatalf("%s: %d of %d queues have an owner", s.Name(), len(owners), len(all))
			}
		}
	})
}
