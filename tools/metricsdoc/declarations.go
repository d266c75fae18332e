package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const ownModule = "github.com/karpenter-oke/karpenter-oke/"

// sources are the modules whose declarations are read, among all that the controller links.
var sources = []string{
	ownModule + "pkg/", "sigs.k8s.io/karpenter/pkg/", "github.com/awslabs/operatorpkg/", "sigs.k8s.io/controller-runtime/pkg/",
}

// constructors are the functions that make a metric, by name; they stand in prometheus and in operatorpkg/metrics.
var constructors = map[string]string{}

// makesMetric are the functions of those packages that a metric may come from, known here or not.
var makesMetric = regexp.MustCompile(`^New\w*(Counter|Gauge|Histogram|Summary|Untyped|Desc)(Vec|Func)?$`)

func init() {
	for kind, name := range map[string]string{"counter": "Counter", "gauge": "Gauge", "histogram": "Histogram", "summary": "Summary"} {
		for _, form := range []string{"New%s", "New%sVec", "New%sFunc", "NewPrometheus%s"} {
			constructors[fmt.Sprintf(form, name)] = kind
		}
	}
}

// reader reads declarations; values are what package-level variables and functions of the sources are made of.
type reader struct {
	values    map[types.Object]valued
	variables map[ast.Expr]types.Object // by what they are initialised with
	kinds     map[types.Object]string   // of descriptions: what their samples are
	found     []metric
	errs      []error
}

type valued struct {
	in   *packages.Package
	expr ast.Expr
}

// load reads all declarations of metrics in what the controller is made of. dir is the module's folder; more are files that are read as if they
// were there.
func load(dir string, more map[string][]byte) ([]metric, error) {
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
		Dir: dir, Overlay: more, Mode: packages.NeedName | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports,
	}, paths...)
	if err != nil {
		return nil, err
	}
	r := &reader{values: map[types.Object]valued{}, variables: map[ast.Expr]types.Object{}, kinds: map[types.Object]string{}}
	for _, p := range loaded {
		for _, e := range p.Errors {
			r.errs = append(r.errs, e)
		}
		r.index(p)
	}
	for _, p := range loaded {
		r.read(p)
	}
	return r.found, errors.Join(r.errs...)
}

// index remembers what package-level variables are initialised with, what functions return, and what samples descriptions have.
func (r *reader) index(p *packages.Package) {
	for _, file := range p.Syntax {
		r.indexSamples(p, file)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
						for k, name := range v.Names {
							r.values[p.TypesInfo.Defs[name]] = valued{p, v.Values[k]}
							r.variables[v.Values[k]] = p.TypesInfo.Defs[name]
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

// read finds the calls that make metrics. A metric of this project that can not be read is an error: it would be missing on the page.
func (r *reader) read(p *packages.Package) {
	for _, file := range p.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			m, ok := r.made(p, call)
			switch {
			case ok && m.Name != "":
				m.Package = p.PkgPath
				r.found = append(r.found, m)
			case !ok && strings.HasPrefix(p.PkgPath, ownModule) && makesMetric.MatchString(calleeName(call)) && ofMetrics(p, call):
				r.errs = append(r.errs, fmt.Errorf("%s: a metric that is made so can not be read", p.Fset.Position(call.Pos())))
			}
			return true
		})
	}
}

// made is the metric that a call makes, if it makes one by options in place or describes one.
func (r *reader) made(p *packages.Package, call *ast.CallExpr) (metric, bool) {
	if calleeName(call) == describer && ofMetrics(p, call) {
		return r.described(p, call)
	}
	kind, ok := constructors[calleeName(call)]
	if !ok {
		return metric{}, false
	}
	for _, arg := range call.Args {
		if options, ok := arg.(*ast.CompositeLit); ok && strings.HasSuffix(typeName(p, options), "Opts") {
			m := r.options(p, options)
			m.Type = kind
			m.Labels, m.OpenLabels = r.labels(p, call.Args[len(call.Args)-labelsFromEnd(call):])
			return m, !m.partial || !strings.HasPrefix(p.PkgPath, ownModule)
		}
	}
	return metric{}, false
}

// labelsFromEnd is the position of the labels, counted from the end: operatorpkg's constructors take a stage after them.
func labelsFromEnd(call *ast.CallExpr) int {
	return min(len(call.Args), map[bool]int{true: 2, false: 1}[strings.HasPrefix(calleeName(call), "NewPrometheus")])
}

func calleeName(call *ast.CallExpr) string { return lastName(call.Fun) }

func lastName(e ast.Expr) string {
	switch f := e.(type) {
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
