// Command metricsdoc writes the reference page of the controller's metrics. Names, labels and help come from the registry that the
// controller serves; types, what each label means, and what is registered only when a controller starts, from the declarations in the source
// of this module and of the libraries it links.
package main

import (
	"flag"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	_ "sigs.k8s.io/karpenter/pkg/controllers"

	_ "github.com/karpenter-oke/karpenter-oke/pkg/operator" // links, and so registers, all that the controller does
	"github.com/karpenter-oke/karpenter-oke/tools/generated"
)

func main() { generated.Main("metricsdoc", page) }

func page(flags *flag.FlagSet) func() (generated.Files, error) {
	out := flags.String("out", "docs/reference/metrics.md", "page to write")
	return func() (generated.Files, error) {
		text, err := generate()
		return generated.Files{*out: text}, err
	}
}

func generate() ([]byte, error) {
	declared, err := load(".", nil)
	if err != nil {
		return nil, fmt.Errorf("reading declarations: %w", err)
	}
	registered, err := describe(metrics.Registry)
	if err != nil {
		return nil, fmt.Errorf("asking the registry: %w", err)
	}
	all, err := merge(declared, registered)
	if err != nil {
		return nil, err
	}
	return render(all), nil
}
