package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Subscriptions are subscriptions by topic. They do not change once they are in
// the registry.
type Subscriptions map[string]*protocol.SubscriptionData

// shape is what subscriptions say, without when they were made: two members agree
// when their shapes are equal. No subscriptions have no shape.
func (s Subscriptions) shape() string {
	var b strings.Builder
	for _, topic := range slices.Sorted(maps.Keys(s)) {
		b.WriteString(topic + "\x00" + expression(s[topic]) + "\n")
	}
	return b.String()
}

// expression is what a subscription says for people, with nothing left out that
// makes a difference.
func expression(s *protocol.SubscriptionData) string {
	if s == nil {
		return "not subscribed"
	}
	if s.ExpressionType == "" || s.ExpressionType == "TAG" {
		tags := slices.Sorted(slices.Values(s.TagsSet))
		if len(tags) > 0 {
			return "tags " + strings.Join(tags, " || ")
		}
		return "tags " + s.SubString
	}
	return s.ExpressionType + " " + s.SubString
}

// updated is the subscriptions of a member after a heartbeat named subs. A known
// topic takes the new expression only when its version is newer.
func (s Subscriptions) updated(subs []protocol.SubscriptionData) Subscriptions {
	next := make(Subscriptions, len(subs))
	same := true
	for i := range subs {
		sub := &subs[i]
		if known := s[sub.Topic]; known != nil && sub.SubVersion <= known.SubVersion {
			sub = known
		} else {
			same = false
		}
		if twin := next[sub.Topic]; twin == nil || sub.SubVersion > twin.SubVersion {
			next[sub.Topic] = sub
		}
	}
	if same && len(next) == len(s) {
		return s
	}
	return next
}

// add takes in newer expressions and new topics.
func (s Subscriptions) add(more Subscriptions) {
	for topic, sub := range more {
		if known := s[topic]; known == nil || sub.SubVersion > known.SubVersion {
			s[topic] = sub
		}
	}
}

// settle computes what follows from the members: the subscriptions of the group
// and whether the members differ. A group of one mind keeps the newest expression
// that any member ever named, as in Java.
func (g *Group) settle(old *Group) {
	first := ""
	g.Mixed = false
	for _, m := range g.Members {
		switch {
		case m.shape == "" || m.shape == first:
		case first == "":
			first = m.shape
		default:
			g.Mixed = true
		}
	}
	next := Subscriptions{}
	if !g.Mixed && !old.Mixed && first == old.shape {
		next = maps.Clone(old.Subscriptions)
		if next == nil {
			next = Subscriptions{}
		}
	}
	g.shape = first
	if g.Mixed {
		g.shape = ""
	}
	for _, m := range g.Members {
		next.add(m.Subscriptions)
	}
	if maps.Equal(next, old.Subscriptions) {
		next = old.Subscriptions
	}
	g.Subscriptions = next
}

// sameTopics tells whether two groups subscribe to the same topics.
func sameTopics(a, b Subscriptions) bool {
	if len(a) != len(b) {
		return false
	}
	for topic := range a {
		if b[topic] == nil {
			return false
		}
	}
	return true
}

// Bounds of what Differences tells.
const (
	maxDifferences = 8 // topics
	maxNamed       = 4 // clients with one expression
)

// Differences tells for people in which topics the members of the group disagree;
// nothing when they agree or when each of them reads all queues for itself. A
// member that polls on its own may leave topics to others.
func (g *Group) Differences() (lines []string) {
	if !g.Mixed || g.MessageModel == protocol.Broadcasting {
		return nil
	}
	for _, topic := range slices.Sorted(maps.Keys(g.Subscriptions)) {
		clients := make(map[string][]string) // by expression
		for _, m := range g.Members {
			sub := m.Subscriptions[topic]
			if m.shape == "" || sub == nil && m.Type == protocol.ConsumeActively {
				continue
			}
			e := expression(sub)
			if !slices.Contains(clients[e], m.ID) {
				clients[e] = append(clients[e], m.ID)
			}
		}
		if len(clients) < 2 {
			continue
		}
		if len(lines) == maxDifferences {
			return append(lines, "and more topics")
		}
		var parts []string
		for _, e := range slices.Sorted(maps.Keys(clients)) {
			parts = append(parts, e+" ("+named(clients[e])+")")
		}
		lines = append(lines, fmt.Sprintf("topic %s: %s", topic, strings.Join(parts, ", ")))
	}
	return lines
}

func named(clients []string) string {
	if more := len(clients) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(clients[:maxNamed], " "), more)
	}
	return strings.Join(clients, " ")
}

// Others gives the subscriptions to a topic that other members have and that
// differ from sub.
func (g *Group) Others(topic string, sub *protocol.SubscriptionData) (others []*protocol.SubscriptionData) {
	seen := []string{expression(sub)}
	for _, m := range g.Members {
		s := m.Subscriptions[topic]
		if s == nil || len(seen) > maxDifferences {
			continue
		}
		if e := expression(s); !slices.Contains(seen, e) {
			seen, others = append(seen, e), append(others, s)
		}
	}
	return others
}

// conflict is the error for a member that would make the group mixed.
func (g *Group) conflict(h Heartbeat, c *protocol.ConsumerData) error {
	shape := Subscriptions(nil).updated(c.SubscriptionDataSet).shape()
	if h.WithoutSub || shape == "" || c.MessageModel == protocol.Broadcasting {
		return nil
	}
	for _, m := range g.Members {
		if m.ID != h.Client.ID && m.shape != "" && m.shape != shape {
			return protocol.Errorf(protocol.RespSubscriptionNotLatest,
				"the subscriptions of client %s in group %s differ from those of client %s, and the broker is told to refuse that", h.Client.ID, c.GroupName, m.ID)
		}
	}
	return nil
}
