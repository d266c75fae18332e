package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/sets"
)

// operationsOfCode are the SDK's methods that pkg/oci calls, which are named as the operations are. Only that package makes SDK
// clients, which the linter holds, and all its calls go through its function call.
func operationsOfCode(t *testing.T) sets.Set[string] {
	t.Helper()
	called, named := sets.New[string](), sets.New[string]()
	folder := filepath.Join(root, "pkg", "oci")
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, folder, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // build tags do not matter here
	require.NoError(t, err)
	for _, file := range packages["oci"].Files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if method, ok := calledThrough(n); ok {
					called.Insert(method)
				}
			case *ast.CompositeLit:
				if name, ok := operationName(n); ok {
					named.Insert(name)
				}
			}
			return true
		})
	}
	require.NotEmpty(t, called)
	require.Equal(t, sets.List(called), sets.List(named), "the names of operations, which metrics bear, and the methods that are called")
	return called
}

// calledThrough is the method in call(ctx, client, op, x.y.Method, request).
func calledThrough(n *ast.CallExpr) (string, bool) {
	function, ok := n.Fun.(*ast.Ident)
	if !ok || function.Name != "call" || len(n.Args) < 4 {
		return "", false
	}
	method, ok := n.Args[3].(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	return method.Sel.Name, true
}

// operationName is the name in operation{service: ..., name: "Name"}.
func operationName(n *ast.CompositeLit) (string, bool) {
	of, ok := n.Type.(*ast.Ident)
	if !ok || of.Name != "operation" {
		return "", false
	}
	for _, element := range n.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, isName := pair.Key.(*ast.Ident)
		value, isText := pair.Value.(*ast.BasicLit)
		if isName && isText && key.Name == "name" {
			name, err := strconv.Unquote(value.Value)
			return name, err == nil
		}
	}
	return "", false
}
