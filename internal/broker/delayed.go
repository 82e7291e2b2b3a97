package broker

import (
	"context"

	"github.com/aerobee/aerobee/internal/broker/delay"
	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
)

// deliverDelayed stores copies of delayed messages and waits for them.
func (b *Broker) deliverDelayed(_ context.Context, copies []message.Message, outcomes []delay.Outcome) {
	results := make([]store.PutResult, len(copies))
	b.putAll(copies, results, stats.Delay)
	for i := range results {
		outcomes[i] = outcomeOf(results[i].Status)
	}
}

func outcomeOf(status store.PutStatus) delay.Outcome {
	switch status {
	case store.PutOK:
		return delay.Stored
	case store.PutMessageIllegal, store.PutPropertiesSizeExceeded:
		return delay.Refused
	default:
		return delay.Retry
	}
}
