package broker

import "github.com/aerobee/aerobee/internal/protocol"

// Codes lists the request codes that a broker serves, in the order of its table.
func Codes() []protocol.RequestCode {
	var codes []protocol.RequestCode
	for _, v := range (*Broker)(nil).verbs() {
		codes = append(codes, v.code)
	}
	return codes
}
