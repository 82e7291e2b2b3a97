package namesrv

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// orderNamespace holds the order configuration of topics: topic to
// "brokerA:4;brokerB:4".
const orderNamespace = "ORDER_TOPIC_CONFIG"

// maxKVText bounds a namespace, key or value, in bytes. The greatest sensible
// value is the order configuration of a topic on thousands of brokers.
const maxKVText = 1 << 18

type kvEntries = map[string]map[string]string // namespace to key to value

// kvStore is the key-value configuration, one JSON file in Java's form. Reads
// are lock-free on an immutable snapshot. Changes are written before they are
// visible; mu orders them, the write included, and no reader waits for it.
type kvStore struct {
	fs   vfs.FS
	path string
	now  atomic.Pointer[kvEntries]
	mu   sync.Mutex
}

// openKV reads the file; a missing one is empty, an unreadable one an error.
func openKV(fs vfs.FS, path string) (*kvStore, error) {
	s := &kvStore{fs: fs, path: path}
	table := kvEntries{}
	err := vfs.LoadFile(fs, path, func(data []byte) error {
		var file protocol.KVConfig
		if err := javajson.Unmarshal(data, &file); err != nil {
			return err
		}
		if file.ConfigTable != nil {
			table = file.ConfigTable
		}
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("key-value configuration: %w", err)
	}
	s.now.Store(&table)
	return s, nil
}

// get returns a value.
func (s *kvStore) get(namespace, key string) (string, bool) {
	v, ok := (*s.now.Load())[namespace][key]
	return v, ok
}

// list returns a namespace, read only; ok is false when it never had a key.
func (s *kvStore) list(namespace string) (entries map[string]string, ok bool) {
	entries, ok = (*s.now.Load())[namespace]
	return entries, ok
}

// put writes an entry. It is on disk when put returns.
func (s *kvStore) put(namespace, key, value string, most int) error {
	for _, text := range []string{namespace, key, value} {
		if len(text) > maxKVText {
			return protocol.Errorf(protocol.RespInvalidParameter, "namespace, key or value has %d bytes, at most %d are kept", len(text), maxKVText)
		}
	}
	return s.change(namespace, func(entries map[string]string, total int) error {
		if _, ok := entries[key]; !ok && total >= most {
			return protocol.Errorf(protocol.RespSystemError, "%d key-value entries, aerobeeMaxKVEntries allows no more", total)
		}
		entries[key] = value
		return nil
	})
}

// remove deletes an entry. The namespace stays, as in Java.
func (s *kvStore) remove(namespace, key string) error {
	if _, ok := s.list(namespace); !ok {
		return nil
	}
	return s.change(namespace, func(entries map[string]string, _ int) error {
		delete(entries, key)
		return nil
	})
}

// change edits a copy of one namespace, writes the file and publishes it. Total
// counts namespaces and entries.
func (s *kvStore) change(namespace string, edit func(entries map[string]string, total int) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.now.Load())
	total := len(next)
	for _, entries := range next {
		total += len(entries)
	}
	entries := maps.Clone(next[namespace])
	if entries == nil {
		entries = map[string]string{}
	}
	if err := edit(entries, total); err != nil {
		return err
	}
	next[namespace] = entries
	if err := vfs.ReplaceFile(s.fs, s.path, javajson.MarshalStandard(protocol.KVConfig{ConfigTable: next})); err != nil {
		return fmt.Errorf("key-value configuration: %w", err)
	}
	s.now.Store(&next)
	return nil
}
