package docs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"k8s.io/apimachinery/pkg/util/sets"
)

// module is a Terraform module, read without Terraform: its expressions are evaluated by the library that Terraform evaluates them
// with, over variables, locals and the ids of its own resources.
type module struct {
	folder    string
	bodies    []*hclsyntax.Body
	variables map[string]*hclsyntax.Block
	locals    map[string]hclsyntax.Expression
}

// functions are those of Terraform's that the modules use.
var functions = map[string]function.Function{
	"coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
	"flatten": stdlib.FlattenFunc, "jsonencode": stdlib.JSONEncodeFunc, "length": stdlib.LengthFunc, "setsubtract": stdlib.SetSubtractFunc,
}

func readModule(t *testing.T, name string) *module {
	t.Helper()
	return readModuleAt(t, filepath.Join(root, "deploy", "terraform", "modules", name))
}

func readModuleAt(t *testing.T, folder string) *module {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	require.NoError(t, err)
	require.NotEmpty(t, files, folder)
	m := &module{folder: folder, variables: map[string]*hclsyntax.Block{}, locals: map[string]hclsyntax.Expression{}}
	parser := hclparse.NewParser()
	for _, path := range files {
		file, diagnostics := parser.ParseHCLFile(path)
		require.False(t, diagnostics.HasErrors(), diagnostics.Error())
		body := file.Body.(*hclsyntax.Body)
		m.bodies = append(m.bodies, body)
		for _, b := range body.Blocks {
			switch b.Type {
			case "variable":
				m.variables[b.Labels[0]] = b
			case "locals":
				for name, attribute := range b.Body.Attributes {
					m.locals[name] = attribute.Expr
				}
			}
		}
	}
	return m
}

// required are the variables without a default.
func (m *module) required() sets.Set[string] {
	out := sets.New[string]()
	for name, b := range m.variables {
		if _, ok := b.Body.Attributes["default"]; !ok {
			out.Insert(name)
		}
	}
	return out
}

// scope holds the variables' values, with defaults, and evaluates locals as they are asked for.
func (m *module) scope(values map[string]cty.Value) (*hcl.EvalContext, error) {
	variables := map[string]cty.Value{}
	for name, b := range m.variables {
		if given, ok := values[name]; ok {
			variables[name] = given
			continue
		}
		fallback, ok := b.Body.Attributes["default"]
		if !ok {
			return nil, fmt.Errorf("no value for %s", name)
		}
		value, diagnostics := fallback.Expr.Value(nil)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		variables[name] = value
	}
	ctx := &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{"var": cty.ObjectVal(variables)}}
	m.addIDs(ctx)
	locals := map[string]cty.Value{}
	var resolve func(name string) error
	resolve = func(name string) error {
		if _, done := locals[name]; done {
			return nil
		}
		for _, traversal := range m.locals[name].Variables() {
			if traversal.RootName() == "local" {
				if err := resolve(traversal[1].(hcl.TraverseAttr).Name); err != nil {
					return err
				}
			}
		}
		ctx.Variables["local"] = cty.ObjectVal(locals)
		value, diagnostics := m.locals[name].Value(ctx)
		if diagnostics.HasErrors() {
			return diagnostics
		}
		locals[name] = value
		return nil
	}
	for name := range m.locals {
		if err := resolve(name); err != nil {
			return nil, err
		}
	}
	ctx.Variables["local"] = cty.ObjectVal(locals)
	return ctx, nil
}

// addIDs lets expressions name the ids of resources; their value is the reference itself.
func (m *module) addIDs(ctx *hcl.EvalContext) {
	byKind := map[string]map[string]cty.Value{}
	for _, body := range m.bodies {
		for _, b := range body.Blocks {
			if b.Type != "resource" {
				continue
			}
			if byKind[b.Labels[0]] == nil {
				byKind[b.Labels[0]] = map[string]cty.Value{}
			}
			id := strings.Join(b.Labels, ".") + ".id"
			byKind[b.Labels[0]][b.Labels[1]] = cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(id)})
		}
	}
	for kind, resources := range byKind {
		ctx.Variables[kind] = cty.ObjectVal(resources)
	}
}

// texts is the value of an argument of a resource: a text or a list of texts.
func (m *module) texts(t *testing.T, values map[string]cty.Value, kind, name, argument string) []string {
	t.Helper()
	ctx, err := m.scope(values)
	require.NoError(t, err)
	for _, body := range m.bodies {
		for _, b := range body.Blocks {
			if b.Type != "resource" || !slices.Equal(b.Labels, []string{kind, name}) {
				continue
			}
			value, diagnostics := b.Body.Attributes[argument].Expr.Value(ctx)
			require.False(t, diagnostics.HasErrors(), diagnostics.Error())
			if value.Type() == cty.String {
				return []string{value.AsString()}
			}
			var out []string
			for _, v := range value.AsValueSlice() {
				out = append(out, v.AsString())
			}
			return out
		}
	}
	require.Fail(t, "no such resource", "%s %s", kind, name)
	return nil
}

// validate runs the validation of a variable.
func (m *module) validate(values map[string]cty.Value, variable string) error {
	ctx, err := m.scope(values)
	if err != nil {
		return err
	}
	for _, b := range m.variables[variable].Body.Blocks {
		value, diagnostics := b.Body.Attributes["condition"].Expr.Value(ctx)
		if diagnostics.HasErrors() {
			return diagnostics
		}
		if value.False() {
			return fmt.Errorf("%s is refused", variable)
		}
	}
	return nil
}

// blockText is a block: what it is, its arguments, which of them are plain texts, and what its expressions refer to.
type blockText struct {
	kind      string
	labels    []string
	arguments []string
	literals  map[string]string
	uses      map[string][]string // by first word, such as var: the names after it
	Blocks    []blockText
}

func describe(kind string, labels []string, body *hclsyntax.Body) blockText {
	out := blockText{kind: kind, labels: labels, literals: map[string]string{}, uses: map[string][]string{}}
	for name, attribute := range body.Attributes {
		out.arguments = append(out.arguments, name)
		if value, diagnostics := attribute.Expr.Value(nil); !diagnostics.HasErrors() && value.Type() == cty.String && !value.IsNull() {
			out.literals[name] = value.AsString()
		}
		for _, traversal := range attribute.Expr.Variables() {
			var steps []string
			for _, step := range traversal[1:] {
				if s, ok := step.(hcl.TraverseAttr); ok {
					steps = append(steps, s.Name)
				}
			}
			out.uses[traversal.RootName()] = append(out.uses[traversal.RootName()], strings.Join(steps, "."))
		}
	}
	for _, b := range body.Blocks {
		inner := describe(b.Type, b.Labels, b.Body)
		if b.Type == "dynamic" { // dynamic "x" { content { ... } } makes blocks x
			for _, content := range b.Body.Blocks {
				inner = describe(b.Labels[0], nil, content.Body)
			}
			for _, traversal := range b.Body.Attributes["for_each"].Expr.Variables() {
				inner.uses[traversal.RootName()] = append(inner.uses[traversal.RootName()], traversal[1].(hcl.TraverseAttr).Name)
			}
		}
		out.Blocks = append(out.Blocks, inner)
		for first, names := range inner.uses {
			out.uses[first] = append(out.uses[first], names...)
		}
	}
	return out
}

func (m *module) blocks(t *testing.T, kind string) []blockText {
	t.Helper()
	var out []blockText
	for _, body := range m.bodies {
		for _, b := range body.Blocks {
			if b.Type == kind {
				out = append(out, describe(b.Type, b.Labels, b.Body))
			}
		}
	}
	return out
}

func (m *module) resources(t *testing.T) []blockText {
	t.Helper()
	return m.blocks(t, "resource")
}

func (m *module) resource(t *testing.T, kind, name string) blockText {
	t.Helper()
	for _, b := range m.resources(t) {
		if slices.Equal(b.labels, []string{kind, name}) {
			return b
		}
	}
	require.Fail(t, "no such resource", "%s %s", kind, name)
	return blockText{}
}

// usesOf are the first names after a word such as var in all expressions outside of the blocks that declare variables.
func (m *module) usesOf(first string) sets.Set[string] {
	out := sets.New[string]()
	for _, body := range m.bodies {
		for _, b := range body.Blocks {
			if b.Type == "variable" {
				continue
			}
			for _, name := range describe(b.Type, b.Labels, b.Body).uses[first] {
				out.Insert(strings.SplitN(name, ".", 2)[0])
			}
		}
	}
	return out
}

func formatted(source []byte) string { return string(hclwrite.Format(source)) }
