// Command capacitydoc writes the reference page of capacity: which shape can be had in which ways, and which fields, conditions, labels
// and drift reasons belong to each kind. It is made from the code that decides, so that the page says what the controller does.
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
		fmt.Fprintln(os.Stderr, "capacitydoc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("capacitydoc", flag.ContinueOnError)
	out := flags.String("out", "docs/reference/capacity.md", "page to write")
	check := flags.Bool("check", false, "write nothing; fail when the page is not what its sources give")
	if err := flags.Parse(args); err != nil {
		return err
	}
	page, err := generate()
	if err != nil {
		return err
	}
	if !*check {
		if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
			return err
		}
		return os.WriteFile(*out, page, 0o644)
	}
	got, err := os.ReadFile(*out)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, page) {
		return fmt.Errorf("%s is not what its sources give: run 'make generate' and commit the result", *out)
	}
	return nil
}
