// Package layering holds the test that enforces who may import whom in this
// repository. The rules are those of the architecture page: arrows point down
// only.
package layering
