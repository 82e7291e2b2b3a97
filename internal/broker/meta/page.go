package meta

import (
	"strings"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Page is a part of a table that is handed out piece by piece (requests 21, 201).
type Page struct {
	From    int    // index of the first entry, names in order
	Max     int    // entries wanted
	Version string // JSON of the version that the earlier pages had
}

// bounds gives the entries of a page, [from, to), of n. A page of another
// version starts over. The last page is one longer when one entry would be left,
// because the Java client stops asking then (admin.md 3.1, code 21).
func (p Page) bounds(n int, current protocol.DataVersion) (from, to int) {
	from = max(p.From, 0)
	if from != 0 && !p.sameVersion(current) {
		from = 0
	}
	from = min(from, n)
	to = from + min(max(p.Max, 0), n-from)
	if to == n-1 && to > from {
		to = n
	}
	return from, to
}

func (p Page) sameVersion(current protocol.DataVersion) bool {
	if strings.TrimSpace(p.Version) == "" {
		return false
	}
	var v protocol.DataVersion
	return javajson.Unmarshal([]byte(p.Version), &v) == nil && v == current
}

// Page gives a part of the topics, the version, and how many there are in all.
func (t *Topics) Page(p Page) (protocol.DataVersion, []*protocol.TopicConfig, int) {
	version, list := t.Snapshot()
	from, to := p.bounds(len(list), version)
	return version, list[from:to], len(list)
}

// Page gives a part of the groups, the version, and how many there are in all.
func (g *Groups) Page(p Page) (protocol.DataVersion, []*protocol.SubscriptionGroupConfig, int) {
	version, list := g.Snapshot()
	from, to := p.bounds(len(list), version)
	return version, list[from:to], len(list)
}
