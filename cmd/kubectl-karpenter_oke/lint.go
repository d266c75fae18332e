package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/karpenter-oke/karpenter-oke/pkg/lint"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

type lintOptions struct {
	files     []string
	recursive bool
	output    string
	strict    bool
	taint     string
	disabled  []string
	extra     string
	markers   string
	lint.Options
}

// Exit codes of lint.
const (
	lintProblems   = 1
	lintUnreadable = 2
)

const lintHelp = `Lint reads manifests and says, without a cluster, for each workload on which layer its pods would run and
why, and which of its features virtual nodes refuse. It asks the same rules that the controller follows.

Layer virtual means that the pods are left to OKE's virtual nodes; managed means that Karpenter buys nodes
for those that do not fit. Features that virtual nodes refuse are listed for managed workloads too: they are
what stands between the workload and virtual nodes.

Pods and all kinds that hold a pod template are looked at, custom ones too if they hold it where Deployments
do. Pods that a StatefulSet, a DaemonSet or an indexed Job makes are judged as those controllers make them.
Namespaces, NodePools, Nodes, and volumes in the same input say what the cluster is like; what they leave
open is assumed, and the last line says how. Other kinds are counted and left alone.

Problems are contradictions and mistakes: a workload that names virtual nodes' taint or says it is virtual
and that they refuse, a layer or duration that can not be read, a statement where it has no effect, a
selector that lets the pod run nowhere. Warnings are what virtual nodes would ignore, and likely slips.

Exit code: 0 without problems, 1 with problems (and, with --strict, with warnings), 2 when an input or an
option can not be read; what could be read is shown even then.`

const lintExamples = `  # Look at a directory and those in it
  kubectl karpenter_oke lint -R -f deploy/

  # In a pipeline: what a chart renders, as JSON, for a cluster with x86 and Arm virtual nodes
  helm template shop charts/shop | kubectl karpenter_oke lint -f - -o json --assume-virtual-nodes=x86,arm

  # What runs in a cluster, with its own virtual nodes, NodePools and namespaces
  kubectl get nodes,nodepools,namespaces,deployments,statefulsets,jobs -A -o yaml | kubectl karpenter_oke lint -f -`

func newLint() *cobra.Command {
	o := &lintOptions{Options: lint.DefaultOptions()}
	cmd := &cobra.Command{
		Use:     "lint -f FILE|DIRECTORY|-",
		Short:   "Tell the layer of each workload in manifests, and what in it virtual nodes refuse",
		Long:    lintHelp,
		Example: lintExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return failure{lintUnreadable, fmt.Errorf("%q: name files with -f", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return failure{lintUnreadable, err} })
	flags := cmd.Flags()
	flags.StringSliceVarP(&o.files, "filename", "f", nil, "file of YAML or JSON, directory of such files (.yaml, .yml, .json), or - for standard input; may be repeated (required)")
	flags.BoolVarP(&o.recursive, "recursive", "R", false, "read the directories in a directory too")
	flags.StringVarP(&o.output, "output", "o", "table", "table or json")
	flags.BoolVar(&o.strict, "strict", false, "end with exit code 1 on warnings too")
	flags.StringVarP(&o.Namespace, "namespace", "n", o.Namespace, "namespace of workloads that name none")
	flags.StringSliceVar(&o.VirtualNodes, "assume-virtual-nodes", o.VirtualNodes, "virtual nodes to assume when the input holds none: x86, arm, both, or none")
	flags.StringToStringVar(&o.VirtualNodeLabels, "virtual-node-labels", nil, "further labels of the assumed virtual nodes, key=value,...")
	flags.StringVar(&o.taint, "virtual-node-taint", virtualnode.DefaultTaint, "the controller's setting of this name: taint key[=value]:effect whose toleration sends a pod to virtual nodes")
	flags.StringSliceVar(&o.disabled, "disabled-rules", nil, "the controller's --virtual-node-disabled-rules: names of features that your virtual nodes accept")
	flags.StringVar(&o.extra, "extra-rules", "", "the controller's --virtual-node-extra-rules: YAML or JSON list of {name, expression, message, severity}")
	flags.StringVar(&o.markers, "virtual-node-markers", virtualnode.DefaultMarkers, "the controller's setting of this name: what recognises virtual nodes")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		switch name {
		case "virtual-node-disabled-rules", "virtual-node-extra-rules": // the controller's own names do as well
			name = strings.TrimPrefix(name, "virtual-node-")
		}
		return pflag.NormalizedName(name)
	})
	return cmd
}

func (o *lintOptions) run(cmd *cobra.Command) error {
	if err := o.complete(); err != nil {
		return failure{lintUnreadable, errors.New(strings.Join(strings.Fields(err.Error()), " "))}
	}
	documents, readErr := manifest.Files{In: cmd.InOrStdin(), Recursive: o.recursive, Parse: manifest.ReadAll}.Read(o.files...)
	report, lintErr := lint.Lint(documents, o.Options)
	if report == nil {
		return failure{lintUnreadable, lintErr}
	}
	if err := o.show(cmd.OutOrStdout(), cmd.ErrOrStderr(), report); err != nil {
		return failure{lintUnreadable, err}
	}
	if err := errors.Join(readErr, lintErr); err != nil {
		return failure{lintUnreadable, err}
	}
	problems, warnings := report.Count()
	switch {
	case problems > 0:
		return failure{lintProblems, errors.New(count(problems, "problem"))}
	case o.strict && warnings > 0:
		return failure{lintProblems, fmt.Errorf("--strict: %s", count(warnings, "warning"))}
	}
	return nil
}

// complete checks the options and fills in what follows from them.
func (o *lintOptions) complete() error {
	if len(o.files) == 0 {
		return errors.New("name what to look at: -f FILE, -f DIRECTORY, or -f - for standard input")
	}
	if o.output != "table" && o.output != "json" {
		return fmt.Errorf("--output %q: want table or json", o.output)
	}
	taint, err := virtualnode.ParseTaint(o.taint)
	if err != nil {
		return fmt.Errorf("--virtual-node-taint: %w", err)
	}
	if o.Filter.Markers, err = virtualnode.ParseMarkers(o.markers); err != nil {
		return fmt.Errorf("--virtual-node-markers: %w", err)
	}
	if o.Filter.ExtraRules, err = virtualnode.ParseRules(o.extra); err != nil {
		return fmt.Errorf("--extra-rules: %w", err)
	}
	o.Filter.Taint, o.Filter.DisabledRules = taint, o.disabled
	if err := o.Filter.Validate(); err != nil {
		return err
	}
	return lint.ValidateVirtualNodes(o.VirtualNodes)
}

func (o *lintOptions) show(out, errs io.Writer, report *lint.Report) error {
	if o.output == "table" {
		return lint.WriteTable(out, report)
	}
	for _, p := range report.Problems {
		fmt.Fprintln(errs, "problem: "+p)
	}
	for _, note := range report.Notes() {
		fmt.Fprintln(errs, note)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report.Results)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
