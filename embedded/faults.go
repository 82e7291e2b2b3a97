package embedded

import (
	"github.com/aerobee/aerobee/internal/broker"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// intercept is what the broker asks about each request; nil if nobody wants faults.
func (s *Server) intercept() func(*remoting.Call) broker.Fault {
	if s.opts.faults == nil {
		return nil
	}
	return func(c *remoting.Call) broker.Fault {
		f := s.opts.faults(requestOf(c))
		return broker.Fault{Drop: f.Drop, Silent: f.Silent, Delay: f.Delay, Code: f.code(), Remark: f.Remark}
	}
}

func requestOf(c *remoting.Call) Request {
	r := Request{Code: int(c.Code), Verb: protocol.RequestCode(c.Code).String()}
	for _, name := range []string{"topic", "b"} { // b in the short form of sends
		if v, ok := c.Ext.Get(name); ok {
			r.Topic = v
		}
	}
	for _, name := range []string{"consumerGroup", "producerGroup", "group", "a"} {
		if v, ok := c.Ext.Get(name); ok {
			r.Group = v
		}
	}
	return r
}
