// Command licences lists the modules that are linked into the shipped programs with their licences, and fails when one of them has a
// licence that is not on the list of those that may be shipped, or one that is not understood. It can write the texts that have to go with a program.
//
//	go run ./tools/licences [--quiet] [--platforms linux/amd64] [--write FOLDER] [packages...]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/tools/licences/notice"
)

// allowed are licences under which code may be linked into programs that are shipped under Apache-2.0, and that ask for no more than
// their text to go along.
var allowed = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "UPL-1.0", "Unlicense"}

// excused are licences of files that do not concern what is linked, with why.
var excused = map[string]string{
	"std OpenSSL": "covers the object files of BoringCrypto, which GOEXPERIMENT=boringcrypto links and nothing here does",
}

// platforms are those of the image and the released programs; other systems link other packages.
const platforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("licences", flag.ContinueOnError)
	quiet := flags.Bool("quiet", false, "say one line when all is well")
	linkedOn := flags.String("platforms", platforms, "platforms that the programs are for, separated by commas")
	folder := flags.String("write", "", "folder to write licences and notices to, below <module>@<version>")
	if err := flags.Parse(args); err != nil {
		return err
	}
	packages := flags.Args()
	if len(packages) == 0 {
		packages = []string{"./cmd/..."}
	}
	modules, err := notice.Linked(ctx, ".", strings.Split(*linkedOn, ","), packages...)
	if err != nil {
		return err
	}
	if *quiet {
		fmt.Fprintf(out, "%d modules are linked; checking their licences\n", len(modules))
	} else if err := table(out, modules); err != nil {
		return err
	}
	if err := check(modules); err != nil || *folder == "" {
		return err
	}
	return write(*folder, modules)
}

// write stores the texts that have to go with a program.
func write(folder string, modules []notice.Module) error {
	for _, m := range modules {
		of := m.Path
		if m.Version != "" {
			of += "@" + m.Version
		}
		for _, f := range m.Files {
			path := filepath.Join(folder, filepath.FromSlash(of), filepath.FromSlash(f.Name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("writing the licences of %s: %w", m.Path, err)
			}
			if err := os.WriteFile(path, f.Text, 0o644); err != nil {
				return fmt.Errorf("writing the licences of %s: %w", m.Path, err)
			}
		}
	}
	return nil
}

func table(out io.Writer, modules []notice.Module) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range modules {
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.Path, m.Version, strings.Join(m.Licences, " "))
	}
	return w.Flush()
}

// check names every module that may not be shipped.
func check(modules []notice.Module) error {
	var errs []error
	for _, m := range modules {
		if !m.Understood() {
			errs = append(errs, fmt.Errorf("%s %s: no licence file is understood", m.Path, m.Version))
			continue
		}
		wrong := lo.Reject(lo.Without(m.Licences, allowed...), func(id string, _ int) bool { return excused[m.Path+" "+id] != "" })
		if len(wrong) > 0 {
			errs = append(errs, fmt.Errorf("%s %s: %s is not among the licences that may be linked (%s)", m.Path, m.Version, strings.Join(wrong, ", "), strings.Join(allowed, ", ")))
		}
	}
	return errors.Join(errs...)
}
