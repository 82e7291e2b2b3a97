package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// configVersion is the version of the configuration, which starts anew with the
// process.
type configVersion struct {
	mu  sync.Mutex
	now protocol.DataVersion
}

func (v *configVersion) set(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = protocol.DataVersion{Timestamp: now.UnixMilli()}
}

func (v *configVersion) bump(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = v.now.Next(now.UnixMilli(), 0)
}

func (v *configVersion) get() protocol.DataVersion {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// updateConfig serves UPDATE_BROKER_CONFIG: properties text, all of it or nothing.
// Only keys that can change at run time are taken; the change is kept in a file of
// its own, not in the user's (admin.md 3.3, 5.8).
func (b *Broker) updateConfig(ctx context.Context, c *remoting.Call) error {
	if len(c.Body) == 0 {
		return replyOK(c)
	}
	changed, err := b.settings.live.Update(c.Body)
	switch {
	case errors.Is(err, config.ErrBlackListed):
		return protocol.Errorf(protocol.RespNoPermission, "Can not update config in black list.")
	case err != nil:
		return protocol.Errorf(protocol.RespSystemError, "%s", err)
	}
	if len(changed) > 0 {
		b.settings.version.bump(b.now())
		b.log.Info("configuration changed", "keys", changed, "peer", c.Conn().RemoteAddr())
	}
	if slices.Contains(changed, "brokerPermission") {
		b.topics.Touch()
		b.register.announceAll()
		b.register.settle(ctx)
	} else if slices.Contains(changed, "namesrvAddr") {
		b.register.announceAll()
	}
	return replyOK(c)
}

// getConfig serves GET_BROKER_CONFIG. Secrets are masked.
func (b *Broker) getConfig(_ context.Context, c *remoting.Call) error {
	version := string(javajson.Marshal(b.settings.version.get()))
	c.Reply(remoting.Reply{
		Header: &protocol.GetBrokerConfigResponse{Version: version},
		Body:   []byte(b.config().Properties()),
	})
	return nil
}
