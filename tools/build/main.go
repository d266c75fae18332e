// Command build makes the programs this repository needs (control plane, simulated kubelets, linters) from pinned Go modules
// into bin/. It builds only what is missing or out of date, needs nothing but Go, and a killed build leaves no half-built program.
//
//	go run ./tools/build [--bin bin] [--group cluster|lint|e2e|all] [names...]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tools/build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	bin := flags.String("bin", "bin", "folder for the programs")
	group := flags.String("group", "all", "which tools: cluster, lint, e2e or all")
	tools := flags.String("tools", "tools", "folder of the tools' modules")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Builds missing and outdated tools.\n\nUsage: go run ./tools/build [flags] [names...]\n\nTools: %s\n\n", strings.Join(names(table()), " "))
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fmt.Errorf("see --help")
	}
	wanted, err := choose(table(), *group, flags.Args())
	if err != nil {
		return err
	}
	b, err := newBuilder(*tools, *bin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go watchParent(ctx, cancel)
	return b.build(ctx, wanted)
}

// choose picks rows by name, or by group when no name is given.
func choose(rows []tool, group string, wanted []string) ([]tool, error) {
	var out []tool
	for _, name := range wanted {
		row, ok := find(rows, name)
		if !ok {
			return nil, fmt.Errorf("there is no tool %q; tools: %s", name, strings.Join(names(rows), " "))
		}
		out = append(out, row)
	}
	if len(wanted) > 0 {
		return out, nil
	}
	for _, row := range rows {
		if group == "all" || row.Group == group {
			out = append(out, row)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no group %q; groups: %s %s %s all", group, groupCluster, groupLint, groupE2E)
	}
	return out, nil
}

func find(rows []tool, name string) (tool, bool) {
	for _, row := range rows {
		if row.Name == name {
			return row, true
		}
	}
	return tool{}, false
}

func names(rows []tool) []string {
	var out []string
	for _, row := range rows {
		out = append(out, row.Name)
	}
	return out
}

// newBuilder resolves the folders; tools must be the repository's tools/ folder.
func newBuilder(tools, bin string) (*builder, error) {
	tools, err := filepath.Abs(tools)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(tools); err != nil {
		return nil, fmt.Errorf("no folder %s: run this at the top of the repository, or give --tools", tools)
	}
	bin, err = filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	return &builder{tools: tools, bin: bin, out: newPrinter(os.Stdout)}, nil
}
