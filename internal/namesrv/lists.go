package namesrv

import (
	"context"
	"errors"
	"slices"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func (s *Server) clusterInfo(c *remoting.Call) error {
	s.mu.Lock()
	groups, clusters := s.table.Groups(), s.table.Clusters()
	s.mu.Unlock()
	return answer(c, nil, encodeClusters(groups, clusters))
}

// topicList answers with the names that filter keeps, sorted. Only gathering
// them holds the lock.
func (s *Server) topicList(c *remoting.Call, filter func() topicFilter) error {
	s.mu.Lock()
	names := s.table.Topics(filter())
	s.mu.Unlock()
	slices.Sort(names)
	return answer(c, nil, encodeTopics(names, ""))
}

func (s *Server) allTopics(c *remoting.Call) error {
	if !s.settings().AllTopicList {
		return errDisabled
	}
	return s.topicList(c, func() topicFilter { return allTopics })
}

func (s *Server) clusterTopics(c *remoting.Call) error {
	if !s.settings().TopicList {
		return errDisabled
	}
	h, err := header[protocol.GetTopicsByClusterRequest](c)
	if err != nil {
		return err
	}
	return s.topicList(c, func() topicFilter { return s.table.ofCluster(h.Cluster) })
}

// listVerb serves one of the legacy lists of unit topics.
func listVerb(filter topicFilter) verb {
	return func(s *Server, c *remoting.Call) error {
		if !s.settings().TopicList {
			return errDisabled
		}
		return s.topicList(c, func() topicFilter { return filter })
	}
}

// systemTopics answers with what are topic names by convention: clusters and
// brokers, plus the address of one broker to ask for more.
func (s *Server) systemTopics(c *remoting.Call) error {
	s.mu.Lock()
	groups, clusters := s.table.Groups(), s.table.Clusters()
	s.mu.Unlock()
	var names []string
	for cluster, brokers := range clusters {
		names = append(names, cluster)
		names = append(names, brokers...)
	}
	slices.Sort(names)
	addr := ""
	if len(groups) > 0 {
		addr = groups[0].Members[0].Addr
	}
	return answer(c, nil, encodeTopics(slices.Compact(names), addr))
}

func (s *Server) putKV(c *remoting.Call) error {
	if err := errNoKey(c); err != nil {
		return err
	}
	c.Detach(func(_ context.Context, c *remoting.Call) error {
		h, err := header[protocol.PutKVConfigRequest](c)
		if err != nil {
			return err
		}
		// Java keeps a null value, which reads like a missing entry.
		if _, given := c.Ext.Get("value"); given {
			err = s.kv.put(h.Namespace, h.Key, h.Value, s.settings().MaxKVEntries)
		} else {
			err = s.kv.remove(h.Namespace, h.Key)
		}
		if err != nil {
			return err
		}
		s.log.Info("key-value entry written", "namespace", h.Namespace, "key", h.Key, "peer", c.Conn().RemoteAddr())
		return answer(c, nil, nil)
	})
	return nil
}

func (s *Server) getKV(c *remoting.Call) error {
	h, err := header[protocol.GetKVConfigRequest](c)
	if err != nil {
		return err
	}
	value, ok := s.kv.get(h.Namespace, h.Key)
	if !ok {
		return errUnknownKey(h.Namespace, h.Key)
	}
	return answer(c, &protocol.GetKVConfigResponse{Value: value}, nil)
}

func (s *Server) deleteKV(c *remoting.Call) error {
	if errNoKey(c) != nil {
		return answer(c, nil, nil) // as Java, where nothing has a null key
	}
	c.Detach(func(_ context.Context, c *remoting.Call) error {
		h, err := header[protocol.DeleteKVConfigRequest](c)
		if err != nil {
			return err
		}
		if err := s.kv.remove(h.Namespace, h.Key); err != nil {
			return err
		}
		s.log.Info("key-value entry deleted", "namespace", h.Namespace, "key", h.Key, "peer", c.Conn().RemoteAddr())
		return answer(c, nil, nil)
	})
	return nil
}

func (s *Server) listKV(c *remoting.Call) error {
	h, err := header[protocol.GetKVListByNamespaceRequest](c)
	if err != nil {
		return err
	}
	entries, ok := s.kv.list(h.Namespace)
	if !ok {
		return errUnknownNamespace(h.Namespace)
	}
	return answer(c, nil, encodeKV(entries))
}

func (s *Server) getConfig(c *remoting.Call) error {
	return answer(c, nil, []byte(s.settings().Properties()))
}

// updateConfig changes reloadable keys, on disk before the answer. Java takes
// any key and silently drops what it does not understand; here that is an error.
func (s *Server) updateConfig(c *remoting.Call) error {
	c.Detach(func(_ context.Context, c *remoting.Call) error {
		changed, err := s.live.Update(c.Body)
		switch {
		case errors.Is(err, config.ErrBlackListed):
			return protocol.Errorf(protocol.RespNoPermission, "Can not update config in black list.")
		case errors.Is(err, config.ErrRestart), errors.As(err, new(*config.Problems)):
			return protocol.Errorf(protocol.RespInvalidParameter, "%s", err)
		case err != nil:
			return err
		}
		if len(changed) > 0 {
			s.log.Info("configuration changed", "keys", changed, "peer", c.Conn().RemoteAddr())
		}
		return answer(c, nil, nil)
	})
	return nil
}
