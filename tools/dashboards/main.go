// Command dashboards writes the chart's Grafana dashboards from the tables of panels in this package, so that layout, units and data
// source are the same everywhere and a query is one line.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("dashboards", flag.ContinueOnError)
	out := flags.String("out", "charts/karpenter-oke/dashboards", "folder to write to")
	check := flags.Bool("check", false, "write nothing; fail when a file is not what the tables give")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !*check {
		if err := os.MkdirAll(*out, 0o755); err != nil {
			return err
		}
	}
	for _, b := range boards {
		data, err := encode(b.model())
		if err != nil {
			return err
		}
		path := filepath.Join(*out, b.file+".json")
		if !*check {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				return err
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			return fmt.Errorf("%s is not what its tables give: run 'make generate' and commit the result", path)
		}
	}
	return nil
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
