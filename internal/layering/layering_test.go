package layering

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/aerobee/aerobee/"

// layers are the packages from the top down, by their first two path elements.
// A package may import those of lower layers and parts of itself.
var layers = [][]string{
	{"cmd/aerobee"},
	{"bench", "embedded"},
	{"internal/namesrv", "internal/broker", "internal/proxy", "internal/controller", "internal/console"},
	{"client", "internal/replication", "internal/auth", "internal/filter"},
	{"internal/fake"},
	{"internal/store", "internal/remoting"},
	{"internal/config"},
	{"internal/protocol"},
	{"internal/javajson"},
	{"internal/message"},
	{"internal/journal"},
	{"internal/vfs", "internal/run", "internal/layering"},
}

// allowed are the exceptions, each with its reason.
var allowed = map[[2]string]string{
	{"internal/console", "client/admin"}: "the console is a client",
}

// forbidden names no package may have: they say nothing.
var forbidden = []string{"util", "utils", "common", "helper", "helpers", "manager", "impl", "misc"}

func TestImportsPointDown(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	level := make(map[string]int)
	for i, names := range layers {
		for _, n := range names {
			level[n] = i
		}
	}
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		require.NoError(t, err)
		if d.IsDir() {
			name := d.Name()
			if strings.HasPrefix(name, ".") && rel != "." || name == "testdata" || name == "conformance" || name == "target" {
				return filepath.SkipDir
			}
			require.NotContains(t, forbidden, name, "%s: a package is named after what it does", rel)
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		files++
		from := unit(filepath.ToSlash(filepath.Dir(rel)))
		fromLevel, ok := level[from]
		require.True(t, ok, "%s: package %s has no place in the layers", rel, from)
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			to, ours := strings.CutPrefix(name, module)
			if !ours {
				continue
			}
			toUnit := unit(to)
			if toUnit == from || allowed[[2]string{from, to}] != "" {
				continue
			}
			toLevel, ok := level[toUnit]
			require.True(t, ok, "%s imports %s, which has no place in the layers", rel, to)
			require.Less(t, fromLevel, toLevel, "%s imports %s: imports point down only", rel, to)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 20)
}

// unit is the part of an import path that has a layer.
func unit(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if parts[0] == "client" || parts[0] == "bench" || parts[0] == "embedded" || len(parts) == 1 {
		return parts[0]
	}
	return parts[0] + "/" + parts[1]
}
