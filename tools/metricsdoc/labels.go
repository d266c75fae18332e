package main

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/packages"
)

// labels reads a list of labels, open when a part of it is computed. args begin with the list.
func (r *reader) labels(p *packages.Package, args []ast.Expr) (labels []label, open bool) {
	if len(args) == 0 {
		return nil, false
	}
	return r.list(p, args[0])
}

func (r *reader) list(p *packages.Package, e ast.Expr) (labels []label, open bool) {
	switch e := e.(type) {
	case *ast.CompositeLit:
		if _, isList := types.Unalias(p.TypesInfo.TypeOf(e)).Underlying().(*types.Slice); !isList {
			return nil, false // options: the metric has no labels
		}
		for _, element := range e.Elts {
			if l, ok := r.one(p, element); ok {
				labels = append(labels, l)
			} else {
				open = true
			}
		}
		return labels, open
	case *ast.Ident, *ast.SelectorExpr:
		if v, ok := r.values[objectOf(p, e)]; ok {
			return r.list(v.in, v.expr)
		}
		if id, isIdent := e.(*ast.Ident); isIdent && id.Name == "nil" {
			return nil, false
		}
	case *ast.FuncLit:
		return nil, false
	case *ast.CallExpr:
		if calleeName(e) == "append" && len(e.Args) > 0 {
			return r.appended(p, e)
		}
		if calleeName(e) == "Map" && len(e.Args) == 2 { // lo.Map: the names of explained labels
			return r.list(p, e.Args[0])
		}
		if v, ok := r.values[objectOf(p, e.Fun)]; ok {
			return r.list(v.in, v.expr)
		}
	}
	return nil, true
}

func (r *reader) appended(p *packages.Package, call *ast.CallExpr) (labels []label, open bool) {
	labels, open = r.list(p, call.Args[0])
	for k, arg := range call.Args[1:] {
		if call.Ellipsis.IsValid() && k == len(call.Args)-2 {
			more, moreOpen := r.list(p, arg)
			labels, open = append(labels, more...), open || moreOpen
		} else if l, ok := r.one(p, arg); ok {
			labels = append(labels, l)
		} else {
			open = true
		}
	}
	return labels, open
}

// one reads a label: its name, or a structure with name, help and values, in place or behind a variable.
func (r *reader) one(p *packages.Package, e ast.Expr) (label, bool) {
	if name, ok := text(p, e); ok {
		return label{Name: name}, true
	}
	literal, ok := e.(*ast.CompositeLit)
	if !ok {
		if v, known := r.values[objectOf(p, e)]; known {
			return r.one(v.in, v.expr)
		}
		return label{}, false
	}
	var l label
	for _, element := range literal.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key, _ := field.Key.(*ast.Ident); key.Name {
		case "Name":
			l.Name, _ = text(p, field.Value)
		case "Help":
			l.Help, _ = text(p, field.Value)
		case "Values":
			values, _ := r.list(p, field.Value)
			for _, v := range values {
				l.Values = append(l.Values, v.Name)
			}
		}
	}
	return l, l.Name != ""
}

// objectOf is what a name stands for.
func objectOf(p *packages.Package, e ast.Expr) types.Object {
	switch e := e.(type) {
	case *ast.Ident:
		return p.TypesInfo.Uses[e]
	case *ast.SelectorExpr:
		return p.TypesInfo.Uses[e.Sel]
	}
	return nil
}
