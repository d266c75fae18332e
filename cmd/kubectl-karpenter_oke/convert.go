package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/karpenter-oke/karpenter-oke/pkg/convert"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

type convertOptions struct {
	files  []string
	strict bool
	convert.Options
}

const convertHelp = `Convert turns OCINodeClasses (oci.oraclecloud.com/v1beta1, Oracle's provider) into OciNodeClasses
(karpenter.k8s.oracle/v1alpha1), and the NodePools that refer to them into NodePools that refer to those.

It writes YAML to standard output, and to standard error one line for each field that has no equivalent or
means something else, with what to do about it. All other objects pass through unchanged. Give classes and
their NodePools together: some fields of a class become part of its NodePools. Nothing is sent to a cluster.

The API server does not let a NodePool change the kind of its node class. Let the new ones stand beside the
old with --nodepool-suffix, or delete the old ones first.

Exit code: 0 also with warnings, 1 when an input can not be read (nothing is written then), and with
--strict 1 when there are warnings.`

const convertExamples = `  # Look at the result and at what is different
  kubectl karpenter_oke convert -f karpenter/ > converted.yaml

  # What is in a cluster, checked by its API server
  kubectl get ocinodeclasses.oci.oraclecloud.com,nodepools -o yaml |
    kubectl karpenter_oke convert -f - --nodepool-suffix=-oke | kubectl apply --dry-run=server -f -`

func newConvert() *cobra.Command {
	o := &convertOptions{}
	cmd := &cobra.Command{
		Use:     "convert -f FILE|DIRECTORY|-",
		Short:   "Convert node classes and NodePools of Oracle's provider (karpenter-provider-oci)",
		Long:    convertHelp,
		Example: convertExamples,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	cmd.Flags().StringSliceVarP(&o.files, "filename", "f", nil, "file of YAML or JSON, directory of such files (.yaml, .yml, .json), or - for standard input; may be repeated (required)")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail when anything has no equivalent or changes meaning")
	cmd.Flags().StringVar(&o.NodePoolSuffix, "nodepool-suffix", "", "text to add to the names of converted NodePools, such as -oke")
	return cmd
}

func (o *convertOptions) run(cmd *cobra.Command) error {
	if len(o.files) == 0 {
		return errors.New("name what to convert: -f FILE, -f DIRECTORY, or -f - for standard input")
	}
	documents, err := manifest.Files{In: cmd.InOrStdin(), Parse: manifest.Read}.Read(o.files...)
	if err != nil {
		return err
	}
	result, err := convert.Convert(documents, o.Options)
	if err != nil {
		return err
	}
	for _, w := range result.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+w.String())
	}
	if result.Classes+result.NodePools == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: nothing to convert: no %s %s/%s and no NodePool that refers to one\n", convert.SourceKind, convert.SourceGroup, convert.SourceVersion)
	}
	if o.strict && len(result.Warnings) > 0 {
		return fmt.Errorf("--strict: %d warnings, nothing is written", len(result.Warnings))
	}
	return manifest.Write(cmd.OutOrStdout(), result.Documents)
}
