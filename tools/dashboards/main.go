// Command dashboards writes the chart's Grafana dashboards from the tables of panels in this package, so that layout, units and data
// source are the same everywhere and a query is one line.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"path/filepath"

	"github.com/karpenter-oke/karpenter-oke/tools/generated"
)

func main() { generated.Main("dashboards", sources) }

func sources(flags *flag.FlagSet) func() (generated.Files, error) {
	out := flags.String("out", "charts/karpenter-oke/dashboards", "folder to write to")
	return func() (generated.Files, error) {
		files := generated.Files{}
		for _, b := range boards {
			data, err := encode(b.model())
			if err != nil {
				return nil, err
			}
			files[filepath.Join(*out, b.file+".json")] = data
		}
		return files, nil
	}
}

// encode writes JSON without escaping what Prometheus compares with.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
