// Command capacitydoc writes the reference page of capacity: which shape can be had in which ways, and which fields, conditions, labels
// and drift reasons belong to each kind. It is made from the code that decides, so that the page says what the controller does.
package main

import (
	"flag"

	"github.com/karpenter-oke/karpenter-oke/tools/generated"
)

func main() { generated.Main("capacitydoc", sources) }

func sources(flags *flag.FlagSet) func() (generated.Files, error) {
	out := flags.String("out", "docs/reference/capacity.md", "page to write")
	return func() (generated.Files, error) {
		page, err := generate()
		return generated.Files{*out: page}, err
	}
}
