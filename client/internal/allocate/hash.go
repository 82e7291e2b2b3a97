package allocate

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aerobee/aerobee/client/internal/cluster"
)

// DefaultVirtualNodes is how many places a member has on the ring, as in Java.
const DefaultVirtualNodes = 10

// ConsistentHash puts members and queues on a ring, so that a member that comes or
// goes moves few queues. Each member has n places; DefaultVirtualNodes if n < 1.
func ConsistentHash(n int) Strategy {
	if n < 1 {
		n = DefaultVirtualNodes
	}
	return strategy{"CONSISTENT_HASH", func(i int, members []string, queues []cluster.Queue) []cluster.Queue {
		ring := newRing(members, n)
		var mine []cluster.Queue
		for _, q := range queues {
			if ring.member(fmt.Sprintf("MessageQueue [topic=%s, brokerName=%s, queueId=%d]", q.Topic, q.Broker, q.ID)) == i {
				mine = append(mine, q)
			}
		}
		return mine
	}}
}

// place is a point of the ring that belongs to a member.
type place struct {
	at     uint32
	member int
}

type ring []place

func newRing(members []string, n int) ring {
	r := make(ring, 0, n*len(members))
	for i, m := range members {
		for k := range n {
			r = append(r, place{point(m + "-" + strconv.Itoa(k)), i})
		}
	}
	slices.SortStableFunc(r, func(a, b place) int { return cmp.Compare(a.at, b.at) })
	return r
}

// member is the one whose place is the first at or behind that of a key.
func (r ring) member(key string) int {
	i, _ := slices.BinarySearchFunc(r, point(key), func(p place, at uint32) int { return cmp.Compare(p.at, at) })
	return r[i%len(r)].member
}

// point is the first four bytes of the MD5 sum, as Java's clients use it.
func point(key string) uint32 {
	sum := md5.Sum([]byte(key))
	return binary.BigEndian.Uint32(sum[:])
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
