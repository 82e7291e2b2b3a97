package allocate

import (
	"slices"

	"github.com/aerobee/aerobee/client/internal/cluster"
)

// Strategy gives a member its queues. queues and members are sorted; self is one
// of the members, or gets nothing.
type Strategy interface {
	// Name is what the strategy is called in Java's clients.
	Name() string
	Allocate(self string, members []string, queues []cluster.Queue) []cluster.Queue
}

// strategy is a Strategy made of a function that knows that self is the member at
// index i.
type strategy struct {
	name string
	give func(i int, members []string, queues []cluster.Queue) []cluster.Queue
}

func (s strategy) Name() string { return s.name }

func (s strategy) Allocate(self string, members []string, queues []cluster.Queue) []cluster.Queue {
	i := slices.Index(members, self)
	if i < 0 || len(queues) == 0 {
		return nil
	}
	return s.give(i, members, queues)
}

// Averagely gives each member a run of neighbouring queues, the first ones one
// more when they do not divide evenly.
func Averagely() Strategy {
	return strategy{"AVG", func(i int, members []string, queues []cluster.Queue) []cluster.Queue {
		from, size := share(i, len(members), len(queues))
		return slices.Clone(queues[from : from+size])
	}}
}

// share is the part of n that the ith of m gets.
func share(i, m, n int) (from, size int) {
	size, rest := n/m, n%m
	if i < rest {
		size++
		return i * size, size
	}
	return min(i*size+rest, n), size
}

// InCircle deals the queues out like cards.
func InCircle() Strategy {
	return strategy{"AVG_BY_CIRCLE", func(i int, members []string, queues []cluster.Queue) []cluster.Queue {
		var mine []cluster.Queue
		for ; i < len(queues); i += len(members) {
			mine = append(mine, queues[i])
		}
		return mine
	}}
}

// Fixed gives the given queues, whoever else is there.
func Fixed(queues ...cluster.Queue) Strategy {
	return strategy{"CONFIG", func(int, []string, []cluster.Queue) []cluster.Queue { return slices.Clone(queues) }}
}
