package environment

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
	"mvdan.cc/sh/v3/shell"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// SplitArgs splits a line of arguments as a shell would, without running anything.
func SplitArgs(line string) ([]string, error) {
	args, err := shell.Fields(line, func(string) string { return "" })
	if err != nil {
		return nil, fmt.Errorf("splitting %q into arguments: %w", line, err)
	}
	return args, nil
}

// ParseOCISimArgs reads the simulator's settings as its own command takes them, as far as they make sense inside an environment.
// The address to listen on is empty when none is given.
func ParseOCISimArgs(args []string) (o ocisim.Options, listen string, err error) {
	fs := pflag.NewFlagSet("ocisim", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&listen, "listen", "", "address to listen on")
	fs.StringVar(&o.Region, "region", "", "region to be")
	fs.StringVar(&o.KubernetesVersion, "kubernetes-version", "", "version of the OKE cluster's control plane")
	fs.StringVar(&o.CNI, "cni", "", "pod network of the cluster")
	fs.DurationVar(&o.ProvisioningDelay, "provisioning-delay", 0, "time from a launch to RUNNING")
	fs.DurationVar(&o.TerminationDelay, "termination-delay", 0, "time from a termination to TERMINATED")
	fs.DurationVar(&o.ListLag, "list-lag", 0, "time a new instance is absent from lists")
	fs.DurationVar(&o.TerminatedRetention, "terminated-retention", 0, "time a TERMINATED instance stays listed")
	fs.DurationVar(&o.PreemptionNotice, "preemption-notice", 0, "time between the announcement of a preemption and the termination")
	fs.IntVar(&o.PageSize, "page-size", 0, "most items in one page of a list")
	fs.StringArrayVar(&o.NodeSubnetCIDRs, "node-subnet", nil, "CIDR of a node subnet; may be repeated")
	fs.BoolVar(&o.VerifySignatures, "verify-signatures", false, "check request signatures")
	fs.StringVar(&o.Seed, "seed", "", "changes all OCIDs")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return o, "", fmt.Errorf("the simulator's arguments are:\n%s", fs.FlagUsages())
		}
		return o, "", fmt.Errorf("the simulator's arguments: %w", err)
	}
	if fs.NArg() > 0 {
		return o, "", fmt.Errorf("the simulator's arguments: %q is no option", fs.Arg(0))
	}
	// On its command line a duration of 0 means none; in its options that is a negative one, and 0 the default.
	for name, d := range map[string]*time.Duration{
		"provisioning-delay": &o.ProvisioningDelay, "termination-delay": &o.TerminationDelay, "terminated-retention": &o.TerminatedRetention,
		"preemption-notice": &o.PreemptionNotice,
	} {
		if fs.Changed(name) && *d == 0 {
			*d = -1
		}
	}
	return o, listen, nil
}
