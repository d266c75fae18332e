package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

// settings are the command line that play, up and host share.
type settings struct {
	Scenario       string
	Name           string
	Out            string
	Bin            string
	Nodes          int
	SystemNodes    int
	VirtualNodes   int
	ControllerArgs string
	OCISimArgs     string
	RBAC           []string
	NoController   bool
	Patience       float64
	Keep           bool
}

func (s *settings) add(fs *pflag.FlagSet, name, out string) {
	fs.SortFlags = false
	fs.StringVar(&s.Scenario, "scenario", defaultScenario, "what is played: mixed or preemption")
	fs.StringVar(&s.Name, "name", name, "name of the cluster")
	fs.StringVar(&s.Out, "out", out, "folder for everything that is written")
	fs.StringVar(&s.Bin, "bin", "", "folder with the programs (default the repository's bin)")
	fs.IntVar(&s.Nodes, "nodes", environment.DefaultFixedNodes, "fixed managed nodes for stateful pods")
	fs.IntVar(&s.SystemNodes, "system-nodes", environment.DefaultSystemNodes, "fixed managed nodes for the cluster's own services")
	fs.IntVar(&s.VirtualNodes, "virtual-nodes", environment.DefaultVirtualNodes, "virtual nodes")
	fs.StringVar(&s.ControllerArgs, "controller-args", "", "further arguments of the controller, in one string")
	fs.StringVar(&s.OCISimArgs, "ocisim-args", "", "settings of the OCI simulator as its command takes them, in one string")
	fs.StringArrayVar(&s.RBAC, "controller-rbac", nil, "manifest with the controller's rights; may be repeated (default: cluster admin)")
}

// args gives the settings back as a command line.
func (s *settings) args() []string {
	args := []string{
		"--scenario", s.Scenario, "--name", s.Name, "--out", s.Out, "--bin", s.Bin, "--nodes", fmt.Sprint(s.Nodes), "--system-nodes", fmt.Sprint(s.SystemNodes),
		"--virtual-nodes", fmt.Sprint(s.VirtualNodes), "--controller-args", s.ControllerArgs, "--ocisim-args", s.OCISimArgs,
	}
	for _, file := range s.RBAC {
		args = append(args, "--controller-rbac", file)
	}
	return args
}

// options turns the command line into an environment's options.
func (s *settings) options(say func(string)) (environment.Options, error) {
	o := environment.Options{
		Name: s.Name, Dir: s.Out, FixedNodes: &s.Nodes, SystemNodes: &s.SystemNodes, VirtualNodes: &s.VirtualNodes,
		Controller: !s.NoController, ControllerRBAC: s.RBAC, Say: say,
	}
	if s.Bin != "" {
		bin, err := filepath.Abs(s.Bin)
		if err != nil {
			return o, fmt.Errorf("--bin %s: %w", s.Bin, err)
		}
		o.BinDir = bin
	}
	var err error
	if o.ControllerArgs, err = environment.SplitArgs(s.ControllerArgs); err != nil {
		return o, fmt.Errorf("--controller-args: %w", err)
	}
	simArgs, err := environment.SplitArgs(s.OCISimArgs)
	if err != nil {
		return o, fmt.Errorf("--ocisim-args: %w", err)
	}
	if o.OCISim, o.OCISimListen, err = environment.ParseOCISimArgs(simArgs); err != nil {
		return o, fmt.Errorf("--ocisim-args: %w", err)
	}
	return o, nil
}
