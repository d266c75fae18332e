// Command apidoc writes the reference page of OciNodeClass from its generated definition and the comments on its conditions, so
// that the page says what the schema does.
package main

import (
	"flag"
	"fmt"

	"github.com/karpenter-oke/karpenter-oke/tools/generated"
)

func main() { generated.Main("apidoc", sources) }

func sources(flags *flag.FlagSet) func() (generated.Files, error) {
	definition := flags.String("crd", "pkg/apis/crds/karpenter.k8s.oracle_ocinodeclasses.yaml", "definition to read")
	conditions := flags.String("conditions", "pkg/apis/v1alpha1/conditions.go", "Go file whose constants ConditionType... are the condition types")
	out := flags.String("out", "docs/reference/ocinodeclass.md", "page to write")
	return func() (generated.Files, error) {
		page, err := generate(*definition, *conditions)
		return generated.Files{*out: page}, err
	}
}

// generate renders the page from the files.
func generate(definitionPath, conditionsPath string) ([]byte, error) {
	definition, err := readDefinition(definitionPath)
	if err != nil {
		return nil, fmt.Errorf("reading the definition: %w", err)
	}
	conditions, err := readConditions(conditionsPath)
	if err != nil {
		return nil, fmt.Errorf("reading the conditions: %w", err)
	}
	return render(definition, conditions), nil
}
