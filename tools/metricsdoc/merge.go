package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// merge joins what the registry serves with the declarations. Families that are registered later than at start stand in declarations
// only. It fails for a family that no declaration explains, and for one of this project's whose labels are not explained.
func merge(declared, registered []metric) ([]metric, error) {
	out := map[string]metric{}
	for _, d := range declared {
		if !d.partial && prefixed(d.Name) {
			out[d.Name] = d
		}
	}
	var errs []error
	for _, m := range registered {
		d, ok := out[m.Name]
		if !ok {
			if d, ok = declarationOf(m, declared); !ok {
				if prefixed(m.Name) {
					errs = append(errs, fmt.Errorf("no declaration of %s was found", m.Name))
				}
				continue
			}
		}
		for k := range m.Labels {
			if i := slices.IndexFunc(d.Labels, func(l label) bool { return l.Name == m.Labels[k].Name }); i >= 0 {
				m.Labels[k] = d.Labels[i]
			}
		}
		m.Type, m.Package = d.Type, d.Package
		out[m.Name] = m
	}
	var all []metric
	for _, m := range out {
		all = append(all, m)
		for _, l := range m.Labels {
			if strings.HasPrefix(m.Name, ownPrefix) && l.Help == "" && len(l.Values) == 0 {
				errs = append(errs, fmt.Errorf("label %s of %s is not explained: give its opmetrics.Label a Help", l.Name, m.Name))
			}
		}
		if m.Help == "" {
			errs = append(errs, fmt.Errorf("%s has no help", m.Name))
		}
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return all, errors.Join(errs...)
}

// declarationOf finds the declaration of a family whose name is put together at run time: by the last part of the name and the help.
func declarationOf(m metric, declared []metric) (metric, bool) {
	i := slices.IndexFunc(declared, func(d metric) bool { return d.partial && d.Help == m.Help && strings.HasSuffix(m.Name, "_"+d.Name) })
	if i < 0 {
		return metric{}, false
	}
	return declared[i], true
}

func prefixed(name string) bool {
	return slices.ContainsFunc(groups, func(g group) bool { return strings.HasPrefix(name, g.prefix) })
}
