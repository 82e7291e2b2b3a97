package broker

import (
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// maxColdLimits bounds the groups with a cold read limit of their own.
const maxColdLimits = 10_000

// coldLimits are the limits, in bytes, that administrators gave to groups for what
// they read from disk. As in Java they live as long as the process, and have no
// effect while coldDataFlowControlEnable is false, which is all that this broker
// knows.
type coldLimits struct {
	mu      sync.Mutex
	byGroup map[string]int64
}

func (l *coldLimits) set(limits map[string]int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := make(map[string]int64, len(l.byGroup)+len(limits))
	maps.Copy(next, l.byGroup)
	maps.Copy(next, limits)
	if len(next) > maxColdLimits {
		return protocol.Errorf(protocol.RespSystemError, "%d groups with a cold read limit, at most %d", len(next), maxColdLimits)
	}
	l.byGroup = next
	return nil
}

func (l *coldLimits) remove(group string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byGroup, group)
}

func (l *coldLimits) snapshot() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	limits := make(map[string]int64, len(l.byGroup))
	maps.Copy(limits, l.byGroup)
	return limits
}

// updateColdLimits serves UPDATE_COLD_DATA_FLOW_CTR_CONFIG: properties text, a limit
// for each group. All of it is taken or nothing; Java passes over bad lines.
func (b *Broker) updateColdLimits(c *remoting.Call) error {
	list, err := config.ParseProperties(c.Body)
	if err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%v", err)
	}
	limits := make(map[string]int64, len(list))
	for _, entry := range list {
		if err := protocol.ValidateGroup(entry.Key); err != nil {
			return protocol.Errorf(protocol.RespInvalidParameter, "%v", err)
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(entry.Value), 10, 64)
		if err != nil {
			return protocol.Errorf(protocol.RespInvalidParameter, "cold read limit of group %s is %q, must be a number of bytes", entry.Key, entry.Value)
		}
		limits[strings.Clone(entry.Key)] = limit
	}
	if err := b.cold.set(limits); err != nil {
		return err
	}
	b.log.Info("cold read limits changed", "groups", len(limits), "peer", c.Conn().RemoteAddr())
	return replyOK(c)
}

// removeColdLimit serves REMOVE_COLD_DATA_FLOW_CTR_CONFIG: the body is the group.
func (b *Broker) removeColdLimit(c *remoting.Call) error {
	b.cold.remove(string(c.Body))
	return replyOK(c)
}

// coldInfo serves GET_COLD_DATA_FLOW_CTR_INFO.
func (b *Broker) coldInfo(c *remoting.Call) error {
	return replyJSON(c, &protocol.ColdDataFlowCtrInfo{
		RuntimeTable: map[string]protocol.ColdReadState{}, ConfigTable: b.cold.snapshot(),
		CGColdReadThreshold:     b.configNumber("cgColdReadThreshold"),
		GlobalColdReadThreshold: b.configNumber("globalColdReadThreshold"),
	})
}

// configNumber is the value of a key that nothing else here reads.
func (b *Broker) configNumber(key string) int64 {
	text, _ := b.config().Value(key)
	n, _ := strconv.ParseInt(text, 10, 64) // checked when it was set
	return n
}

// Modes of reading ahead, of ReqSetCommitLogReadMode.
const (
	readAheadNormal = "0"
	readAheadRandom = "1"
)

// readMode serves SET_COMMITLOG_READ_MODE. Cold records are read by their size, and
// the kernel reads ahead as it finds right: normal is how it is.
func (b *Broker) readMode(c *remoting.Call) error {
	switch mode, _ := c.Ext.Get(protocol.ExtReadAheadMode); mode {
	case readAheadNormal:
		c.Reply(remoting.Reply{Remark: "set commitlog readahead mode success, mode: " + mode})
		return nil
	case readAheadRandom:
		return protocol.Errorf(protocol.RespSystemError, "read-ahead of the commit log cannot be turned off: %s is not %s", protocol.ExtReadAheadMode, readAheadNormal)
	default:
		return protocol.Errorf(protocol.RespInvalidParameter, "set commitlog readahead mode param value error: %q, allowed: %s", mode, readAheadNormal)
	}
}
