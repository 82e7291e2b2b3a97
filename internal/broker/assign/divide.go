package assign

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// AnyQueue is the queue of an assignment that means all queues of a broker.
const AnyQueue = -1

// Share is a client that asks for its part of a topic.
type Share struct {
	Client   string
	Clients  []string // of all members; the order does not matter
	Queues   []protocol.MessageQueue
	Strategy string // protocol.StrategyAverage or protocol.StrategyAverageByCircle
	Mode     protocol.MessageRequestMode
	// PopShare is with how many of the clients after it one that pops shares their
	// queues; none or as many as there are means that everybody pops everything.
	PopShare int32
}

// Divide returns the part of the client in the order of the queues, or ok false
// when there is no answer: the strategy is not known, or there is nothing or
// nobody to divide among. A client that is not a member gets no queue.
func Divide(s Share) (part []protocol.MessageQueue, ok bool) {
	average := strategies[s.Strategy]
	if average == nil {
		return nil, false
	}
	queues, clients := slices.Clone(s.Queues), slices.Clone(s.Clients)
	slices.SortFunc(queues, compareQueues)
	slices.Sort(clients)
	pop := s.Mode == protocol.RequestPop
	if pop && (s.PopShare <= 0 || int(s.PopShare) >= len(clients)-1) {
		return wholeBrokers(queues), true
	}
	if strings.TrimSpace(s.Client) == "" || len(queues) == 0 || len(clients) == 0 {
		return nil, false
	}
	index := slices.Index(clients, s.Client)
	switch {
	case index < 0:
		return nil, true
	case !pop:
		return average(index, len(clients), queues), true
	case len(clients) > len(queues): // everybody gets one
		return queues[index%len(queues):][:1], true
	}
	for i := range int(s.PopShare) + 1 {
		// Java looks every neighbour up by its name: two connections of one client
		// count as the first of them.
		name := clients[(index+i)%len(clients)]
		part = append(part, average(slices.Index(clients, name), len(clients), queues)...)
	}
	slices.SortFunc(part, compareQueues)
	return slices.Compact(part), true
}

// wholeBrokers is one queue for all of a broker, for each broker.
func wholeBrokers(queues []protocol.MessageQueue) []protocol.MessageQueue {
	for i := range queues {
		queues[i].QueueID = AnyQueue
	}
	return slices.Compact(queues)
}

// strategies give the part of one of several clients, by the name of the strategy.
var strategies = map[string]func(index, clients int, queues []protocol.MessageQueue) []protocol.MessageQueue{
	protocol.StrategyAverage:         inRow,
	protocol.StrategyAverageByCircle: byCircle,
}

// inRow gives neighbouring queues; the first clients get those that are left over.
func inRow(index, clients int, queues []protocol.MessageQueue) []protocol.MessageQueue {
	each, over := len(queues)/clients, len(queues)%clients
	from := index*each + min(index, over)
	to := from + each
	if index < over {
		to++
	}
	return slices.Clone(queues[from:to])
}

// byCircle deals the queues out one by one.
func byCircle(index, clients int, queues []protocol.MessageQueue) (part []protocol.MessageQueue) {
	for i := index; i < len(queues); i += clients {
		part = append(part, queues[i])
	}
	return part
}

func compareQueues(a, b protocol.MessageQueue) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.BrokerName, b.BrokerName), cmp.Compare(a.QueueID, b.QueueID))
}
