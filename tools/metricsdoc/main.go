// Command metricsdoc writes the reference page of the controller's metrics. Names, labels and help come from the registry that the
// controller serves; types, and what each label means, from the declarations in the source of this module and of the libraries it links.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	_ "sigs.k8s.io/karpenter/pkg/controllers"

	_ "github.com/karpenter-oke/karpenter-oke/pkg/operator" // links, and so registers, all that the controller does
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "metricsdoc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("metricsdoc", flag.ContinueOnError)
	out := flags.String("out", "docs/reference/metrics.md", "page to write")
	check := flags.Bool("check", false, "write nothing; fail when the page is not what its sources give")
	if err := flags.Parse(args); err != nil {
		return err
	}
	declared, err := load(".")
	if err != nil {
		return fmt.Errorf("reading declarations: %w", err)
	}
	registered, err := describe(metrics.Registry)
	if err != nil {
		return fmt.Errorf("asking the registry: %w", err)
	}
	all, err := merge(declared, registered)
	if err != nil {
		return err
	}
	page := render(all)
	if *check {
		return compare(*out, page)
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(*out, page, 0o644)
}

func compare(path string, want []byte) error {
	got, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is not what its sources give: run 'make generate' and commit the result", path)
	}
	return nil
}
