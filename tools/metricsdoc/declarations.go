package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// sources are the modules whose declarations are read, among all that the controller links.
var sources = []string{
	"github.com/karpenter-oke/karpenter-oke/pkg/", "sigs.k8s.io/karpenter/pkg/", "github.com/awslabs/operatorpkg/", "sigs.k8s.io/controller-runtime/pkg/",
}

// constructors are the functions that make a metric, by name; they stand in prometheus and in operatorpkg/metrics.
var constructors = map[string]string{}

func init() {
	for kind, name := range map[string]string{"counter": "Counter", "gauge": "Gauge", "histogram": "Histogram", "summary": "Summary"} {
		for _, form := range []string{"New%s", "New%sVec", "New%sFunc", "NewPrometheus%s"} {
			constructors[fmt.Sprintf(form, name)] = kind
		}
	}
}

// reader reads declarations; values are what package-level variables and functions of the sources are made of.
type reader struct {
	values map[types.Object]valued
	found  []metric
}

type valued struct {
	in   *packages.Package
	expr ast.Expr
}

// load reads all declarations of metrics in what the controller is made of. dir is the module's folder.
func load(dir string) ([]metric, error) {
	names, err := packages.Load(&packages.Config{Dir: dir, Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps}, "./cmd/controller")
	if err != nil {
		return nil, err
	}
	var paths []string
	packages.Visit(names, nil, func(p *packages.Package) {
		if slices.ContainsFunc(sources, func(s string) bool { return strings.HasPrefix(p.PkgPath+"/", s) }) {
			paths = append(paths, p.PkgPath)
		}
	})
	if len(paths) == 0 {
		return nil, errors.New("the controller has no packages")
	}
	slices.Sort(paths)
	loaded, err := packages.Load(&packages.Config{
		Dir: dir, Mode: packages.NeedName | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports,
	}, paths...)
	if err != nil {
		return nil, err
	}
	r := &reader{values: map[types.Object]valued{}}
	var errs []error
	for _, p := range loaded {
		for _, e := range p.Errors {
			errs = append(errs, e)
		}
		r.index(p)
	}
	for _, p := range loaded {
		r.read(p)
	}
	return r.found, errors.Join(errs...)
}

// index remembers what package-level variables are initialised with, and what functions return.
func (r *reader) index(p *packages.Package) {
	for _, file := range p.Syntax {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
						for k, name := range v.Names {
							r.values[p.TypesInfo.Defs[name]] = valued{p, v.Values[k]}
						}
					}
				}
			case *ast.FuncDecl:
				if d.Body == nil || len(d.Body.List) == 0 {
					continue
				}
				if last, ok := d.Body.List[len(d.Body.List)-1].(*ast.ReturnStmt); ok && len(last.Results) == 1 {
					r.values[p.TypesInfo.Defs[d.Name]] = valued{p, last.Results[0]}
				}
			}
		}
	}
}

// read finds the calls that make metrics.
func (r *reader) read(p *packages.Package) {
	for _, file := range p.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			kind, ok := constructors[calleeName(call)]
			if !ok {
				return true
			}
			for _, arg := range call.Args {
				if options, ok := arg.(*ast.CompositeLit); ok && strings.HasSuffix(typeName(p, options), "Opts") {
					m := r.options(p, options)
					m.Type, m.Package = kind, p.PkgPath
					m.Labels, m.OpenLabels = r.labels(p, call.Args[len(call.Args)-labelsFromEnd(call):])
					if m.Name != "" {
						r.found = append(r.found, m)
					}
				}
			}
			return true
		})
	}
}

// labelsFromEnd is the position of the labels, counted from the end: operatorpkg's constructors take a stage after them.
func labelsFromEnd(call *ast.CallExpr) int {
	return min(len(call.Args), map[bool]int{true: 2, false: 1}[strings.HasPrefix(calleeName(call), "NewPrometheus")])
}

func calleeName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

func typeName(p *packages.Package, e ast.Expr) string {
	if named, ok := p.TypesInfo.TypeOf(e).(*types.Named); ok {
		return named.Obj().Name()
	}
	return fmt.Sprint(p.TypesInfo.TypeOf(e))
}

// options reads name and help; parts of the name that are not constant leave it partial.
func (r *reader) options(p *packages.Package, literal *ast.CompositeLit) metric {
	var m metric
	parts := map[string]string{}
	for _, element := range literal.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, _ := field.Key.(*ast.Ident)
		switch key.Name {
		case "Namespace", "Subsystem", "Name":
			text, known := text(p, field.Value)
			parts[key.Name] = text
			m.partial = m.partial || !known
		case "Help":
			m.Help, _ = text(p, field.Value)
		}
	}
	if m.partial {
		m.Name = parts["Name"]
		return m
	}
	m.Name = strings.Trim(strings.Join([]string{parts["Namespace"], parts["Subsystem"], parts["Name"]}, "_"), "_")
	m.Name = strings.ReplaceAll(m.Name, "__", "_")
	return m
}

// text is the value of a constant string.
func text(p *packages.Package, e ast.Expr) (string, bool) {
	v := p.TypesInfo.Types[e].Value
	if v == nil || v.Kind() != constant.String {
		return "", false
	}
	return constant.StringVal(v), true
}
