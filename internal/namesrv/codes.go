package namesrv

import (
	"maps"
	"slices"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Codes lists the request codes that a nameserver serves, ascending.
func Codes() []protocol.RequestCode { return slices.Sorted(maps.Keys(verbs)) }
