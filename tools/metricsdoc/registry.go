package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one family.
type metric struct {
	Name   string // complete; only the last part in a declaration whose name is put together at run time
	Type   string // counter, gauge, histogram or summary
	Help   string
	Labels []label
	// OpenLabels says that there are labels besides, which are known at run time only.
	OpenLabels bool
	Package    string // import path of the declaration
	partial    bool
}

type label struct {
	Name, Help string
	Values     []string
}

// description is how client_golang writes a family's description; there is no other way to read one.
var description = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"), constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

// describe lists what a registry would serve if everything had happened once. The runtime's own collectors are left out.
func describe(registry any) ([]metric, error) {
	collector, ok := registry.(prometheus.Collector)
	if !ok {
		return nil, errors.New("it can not describe itself")
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		collector.Describe(descriptions)
	}()
	var out []metric
	var errs []error
	for d := range descriptions {
		m, err := parse(d.String())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !strings.HasPrefix(m.Name, "go_") && !strings.HasPrefix(m.Name, "process_") {
			out = append(out, m)
		}
	}
	return out, errors.Join(errs...)
}

func parse(text string) (metric, error) {
	found := description.FindStringSubmatch(text)
	if found == nil {
		return metric{}, fmt.Errorf("not understood: %s", text)
	}
	name, err := strconv.Unquote(found[1])
	if err != nil {
		return metric{}, fmt.Errorf("the name in %s: %w", text, err)
	}
	help, err := strconv.Unquote(found[2])
	if err != nil {
		return metric{}, fmt.Errorf("the help in %s: %w", text, err)
	}
	m := metric{Name: name, Help: help}
	for _, l := range strings.Split(found[3], ",") {
		if l != "" {
			m.Labels = append(m.Labels, label{Name: l})
		}
	}
	return m, nil
}
