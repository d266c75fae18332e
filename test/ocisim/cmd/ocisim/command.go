package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const about = `Serve a simulated OCI region: compute, virtual network, identity, container engine, limits and the public price list.

Without --tls, point an SDK client at it by its Host. With --tls, any OCI SDK, the OCI CLI or Terraform can be sent to it by environment alone: the
lines to export are printed, and every service of every region is answered.

What it holds and what it does can be seen and changed without a signature under /_sim/ (curl URL/_sim/ lists the ways).`

const example = `  ocisim --listen 127.0.0.1:8480 --write-config out/oci
  ocisim --tls --tls-dir out/ca --write-config out/oci
  ocisim --page-size 1 --provisioning-delay 20s --list-lag 3s
  ocisim --fault '{"kind":"OutOfHostCapacity","match":{"availabilityDomain":"PHX-AD-1"},"times":3}'
  curl -s -X POST http://127.0.0.1:8480/_sim/faults -d '{"kind":"TooManyRequests","operation":"ListInstances","delay":"5s","times":10}'`

// settings are the command line.
type settings struct {
	options     ocisim.Options
	listen      string
	tls         bool
	tlsDir      string
	writeConfig string
	faults      []string
}

func command(out io.Writer) *cobra.Command {
	var s settings
	c := &cobra.Command{Use: "ocisim", Short: "Serve a simulated OCI region", Long: about, Example: example, Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true, RunE: func(c *cobra.Command, _ []string) error { return serve(c, s, out) }}
	f, o := c.Flags(), &s.options
	f.SortFlags = false
	f.StringVar(&s.listen, "listen", "127.0.0.1:8480", "address to listen on; port 0 picks a free one")
	f.StringVar(&s.writeConfig, "write-config", "", "folder to write an SDK configuration file and key into")
	f.BoolVar(&s.tls, "tls", false, "serve HTTPS under a CA of its own, for any host name, and act as HTTPS proxy for Oracle's hosts")
	f.StringVar(&s.tlsDir, "tls-dir", filepath.Join("out", "ocisim-ca"), "folder that keeps the CA")
	f.StringVar(&o.Region, "region", "us-phoenix-1", "region to be")
	f.StringVar(&o.KubernetesVersion, "kubernetes-version", "v1.36.3", "version of the OKE cluster's control plane")
	f.StringVar(&o.CNI, "cni", ocisim.CNINative, "pod network of the cluster: "+ocisim.CNINative+" or "+ocisim.CNIFlannel)
	f.StringVar(&o.PrivateEndpoint, "private-endpoint", "10.0.0.14:6443", "the API server's address in the cluster's record")
	f.DurationVar(&o.ProvisioningDelay, "provisioning-delay", 1500*time.Millisecond, "time from a launch to RUNNING")
	f.DurationVar(&o.TerminationDelay, "termination-delay", 2*time.Second, "time from a termination to TERMINATED")
	f.DurationVar(&o.ListLag, "list-lag", 0, "time a new instance is absent from lists")
	f.DurationVar(&o.TerminatedRetention, "terminated-retention", 12*time.Hour, "time a TERMINATED instance stays listed")
	f.DurationVar(&o.PreemptionNotice, "preemption-notice", 120*time.Second, "time between the announcement of a preemption and the termination")
	f.IntVar(&o.PageSize, "page-size", 100, "most items in one page of a list")
	f.StringArrayVar(&o.NodeSubnetCIDRs, "node-subnet", nil, "CIDR of a node subnet inside 10.0.0.0/16; may be repeated (default 10.0.16.0/20 and 10.0.32.0/20)")
	f.BoolVar(&o.VerifySignatures, "verify-signatures", false, "check request signatures against the key of --write-config")
	f.StringVar(&o.Seed, "seed", "ocisim", "changes all OCIDs")
	f.StringArrayVar(&s.faults, "fault", nil, "a fault to script from the start, as JSON; may be repeated")
	return c
}

func serve(c *cobra.Command, s settings, out io.Writer) error {
	if s.options.VerifySignatures && s.writeConfig == "" {
		return errors.New("--verify-signatures needs --write-config, which makes the key to check against")
	}
	if s.tls {
		s.options.TLS = &ocisim.TLSOptions{Dir: s.tlsDir}
	}
	zeroMeansNone(&s.options)
	server, err := ocisim.Start(c.Context(), s.options, s.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("address %s is in use: choose another with --listen, or let --listen 127.0.0.1:0 find a free port", s.listen)
	}
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	if err := addFaults(server, s.faults); err != nil {
		return err
	}
	config := ""
	if s.writeConfig != "" {
		if config, err = server.WriteConfig(s.writeConfig); err != nil {
			return err
		}
	}
	introduce(out, server, config)
	<-c.Context().Done()
	return nil
}

// zeroMeansNone turns a duration given as 0 into "no delay": for Options 0 is the default.
func zeroMeansNone(o *ocisim.Options) {
	for _, d := range []*time.Duration{&o.ProvisioningDelay, &o.TerminationDelay, &o.TerminatedRetention, &o.PreemptionNotice} {
		if *d == 0 {
			*d = -1
		}
	}
}

func addFaults(server *ocisim.Server, texts []string) error {
	for _, text := range texts {
		var fault ocisim.Fault
		if err := fault.UnmarshalJSON([]byte(text)); err != nil {
			return fmt.Errorf("--fault %s: %w", text, err)
		}
		if _, err := server.Faults().Add(fault); err != nil {
			return fmt.Errorf("--fault %s: %w", text, err)
		}
	}
	return nil
}

// introduce prints what a person needs to use the server; lines to export come in the shell's syntax.
func introduce(out io.Writer, server *ocisim.Server, config string) {
	w := server.World()
	fmt.Fprintf(out, "simulated OCI region %s (%s) at %s, admin endpoint %s/_sim/\n", w.Region, strings.Join(w.ADs, ", "), server.URL, server.URL)
	fmt.Fprintf(out, "  tenancy      %s\n  compartment  %s\n  cluster      %s\n", w.TenancyID, w.CompartmentID, w.ClusterID)
	for _, subnet := range w.NodeSubnetIDs {
		fmt.Fprintf(out, "  node subnet  %s\n", subnet)
	}
	environment := server.Environment()
	if config != "" {
		environment["OCI_CONFIG_FILE"], environment["OCI_CLI_CONFIG_FILE"] = config, config
	}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		fmt.Fprintf(out, "export %s='%s'\n", name, environment[name])
	}
	if server.CAFile != "" {
		fmt.Fprintf(out, "# a client that knows no HTTPS proxy needs port 443 and a line in /etc/hosts: 127.0.0.1 iaas.%[1]s.oraclecloud.com identity.%[1]s.oraclecloud.com containerengine.%[1]s.oci.oraclecloud.com\n", w.Region)
	}
	if f, isFile := out.(*os.File); isFile {
		_ = f.Sync() // a pipe or terminal cannot be synced, and need not be
	}
}
