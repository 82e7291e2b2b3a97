package broker

import (
	"strings"
	"sync"

	"github.com/aerobee/aerobee/internal/filter"
	"github.com/aerobee/aerobee/internal/store"
)

// Bounds of a generation of the cache of filters. There are two.
const (
	maxCachedFilters     = 1024
	maxCachedFilterBytes = 16 << 20 // of memory, about
)

// filterCache keeps the filters of expressions that came with requests, so that a
// consumer that sends its expression with every pull costs one lookup. When a
// generation is full it becomes the old one, and the one before is forgotten.
type filterCache struct {
	mu struct {
		sync.RWMutex
		present, old map[filterKey]cachedFilter
		bytes        int // of present
	}
}

type filterKey struct{ kind, expression string }

// cachedFilter is what makeFilter says.
type cachedFilter struct {
	filter store.Filter
	err    error
}

// find is makeFilter with a memory.
func (c *filterCache) find(expressionType, expression string) (store.Filter, error) {
	k := filterKey{expressionType, expression}
	c.mu.RLock()
	f, ok := c.mu.present[k]
	c.mu.RUnlock()
	if ok {
		return f.filter, f.err
	}
	k = filterKey{strings.Clone(expressionType), strings.Clone(expression)}
	c.mu.RLock()
	f, ok = c.mu.old[k]
	c.mu.RUnlock()
	if !ok {
		f.filter, f.err = makeFilter(k.kind, k.expression)
	}
	c.keep(k, f)
	return f.filter, f.err
}

func (c *filterCache) keep(k filterKey, f cachedFilter) {
	size := len(k.kind) + len(k.expression)
	if p, ok := f.filter.(*filter.Program); ok {
		size += p.Size()
	}
	if size > maxCachedFilterBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.present) >= maxCachedFilters || c.mu.bytes+size > maxCachedFilterBytes {
		c.mu.old, c.mu.present, c.mu.bytes = c.mu.present, nil, 0
	}
	if c.mu.present == nil {
		c.mu.present = make(map[filterKey]cachedFilter)
	}
	if _, known := c.mu.present[k]; !known {
		c.mu.bytes += size
	}
	c.mu.present[k] = f
}
