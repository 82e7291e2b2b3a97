package allocate

import (
	"slices"
	"strings"

	"github.com/aerobee/aerobee/client/internal/cluster"
)

// Rooms gives only queues of brokers that are named room@broker with one of the
// rooms: runs of equal length, and of what is left one queue to each of the first
// members.
func Rooms(rooms ...string) Strategy {
	return strategy{"MACHINE_ROOM", func(i int, members []string, queues []cluster.Queue) []cluster.Queue {
		var near []cluster.Queue
		for _, q := range queues {
			if room, name, ok := strings.Cut(q.Broker, "@"); ok && !strings.Contains(name, "@") && slices.Contains(rooms, room) {
				near = append(near, q)
			}
		}
		size := len(near) / len(members)
		mine := slices.Clone(near[i*size : (i+1)*size])
		if extra := len(members)*size + i; extra < len(near) {
			mine = append(mine, near[extra])
		}
		return mine
	}}
}

// Nearby lets the members of a room share the queues in it by an inner strategy.
// Queues of rooms without members are shared by all members.
func Nearby(inner Strategy, roomOfBroker, roomOfMember func(string) string) Strategy {
	return strategy{"MACHINE_ROOM_NEARBY-" + inner.Name(), func(i int, members []string, queues []cluster.Queue) []cluster.Queue {
		queuesIn := make(map[string][]cluster.Queue)
		for _, q := range queues {
			room := roomOfBroker(q.Broker)
			queuesIn[room] = append(queuesIn[room], q)
		}
		membersIn := make(map[string][]string)
		for _, m := range members {
			room := roomOfMember(m)
			membersIn[room] = append(membersIn[room], m)
		}
		self := members[i]
		room := roomOfMember(self)
		mine := inner.Allocate(self, membersIn[room], queuesIn[room])
		for _, room := range sortedKeys(queuesIn) {
			if len(membersIn[room]) == 0 {
				mine = append(mine, inner.Allocate(self, members, queuesIn[room])...)
			}
		}
		return mine
	}}
}
