// Package generated is what the commands have in common that write pages and files from the code: one run writes them, and one with --check
// fails when they are not what the code gives.
package generated

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Files are contents by path.
type Files map[string][]byte

// Sources defines the flags of a command and returns what makes its files, to be called when the flags have been read.
type Sources func(*flag.FlagSet) func() (Files, error)

// Main is the command.
func Main(name string, sources Sources) {
	if err := Run(name, os.Args[1:], sources); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Run writes the files, or with --check among the arguments compares them with those that are there.
func Run(name string, args []string, sources Sources) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	check := flags.Bool("check", false, "write nothing; fail when a file is not what its sources give")
	files := sources(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	made, err := files()
	if err != nil {
		return err
	}
	put := write
	if *check {
		put = compare
	}
	for _, path := range slices.Sorted(maps.Keys(made)) {
		if err := put(path, made[path]); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
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
