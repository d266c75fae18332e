// Command apidoc writes the reference page of OciNodeClass from its generated definition and the comments on its conditions, so
// that the page says what the schema does.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("apidoc", flag.ContinueOnError)
	definition := flags.String("crd", "pkg/apis/crds/karpenter.k8s.oracle_ocinodeclasses.yaml", "definition to read")
	conditions := flags.String("conditions", "pkg/apis/v1alpha1/conditions.go", "Go file whose constants ConditionType... are the condition types")
	out := flags.String("out", "docs/reference/ocinodeclass.md", "page to write")
	check := flags.Bool("check", false, "write nothing; fail when the page is not what its sources give")
	if err := flags.Parse(args); err != nil {
		return err
	}
	page, err := generate(*definition, *conditions)
	if err != nil {
		return err
	}
	if *check {
		return compare(*out, page)
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(*out, page, 0o644)
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
