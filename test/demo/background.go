package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/demo/live"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

func upCommand() *cobra.Command {
	s := &settings{}
	c := &cobra.Command{
		Use:   "up",
		Short: "Bring the cluster up in the background, without the scenario",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.Out == "" {
				s.Out = filepath.Join(clustersDir, s.Name)
			}
			screen := live.NewScreen(os.Stdout, clock.RealClock{})
			_, err := startHost(c.Context(), s, nil, screen.Say)
			return err
		},
	}
	s.add(c.Flags(), "default", "")
	c.Flag("out").Usage = "folder for everything that is written (default out/up/NAME)"
	return c
}

// playAndKeep plays on a cluster that stays in the background.
func playAndKeep(ctx context.Context, s *settings) error {
	failed, err := startHost(ctx, s, []string{"--play", "--patience", fmt.Sprint(s.Patience)}, func(string) {})
	if err != nil {
		return err
	}
	if failed {
		return errChecksFailed
	}
	return nil
}

// startHost starts a host, waits until its cluster is up, and lets go. When this process is ended before, the host ends everything.
func startHost(ctx context.Context, s *settings, more []string, say func(string)) (failed bool, err error) {
	if c, err := readCluster(s.Name); err == nil {
		if c.Owner.alive() {
			return false, fmt.Errorf("cluster %s is up already (process %d): `make down NAME=%s` ends it", c.Name, c.Owner.PID, c.Name)
		}
		if err := c.forget(); err != nil {
			return false, err
		}
	}
	ctx, cancel := watchStarters(ctx)
	defer cancel()
	host, err := launchHost(s, more)
	if err != nil {
		return false, err
	}
	type result struct {
		m   message
		err error
	}
	results := make(chan result, 1)
	go func() {
		m, err := readMessages(host.messages, say)
		results <- result{m, err}
	}()
	select {
	case <-ctx.Done():
		host.end()
		return false, context.Cause(ctx)
	case r := <-results:
		if r.err != nil || r.m.Error != "" || r.m.Cluster == nil {
			host.end()
			if r.err == nil {
				r.err = errors.New(r.m.Error)
			}
			return false, r.err
		}
		if _, err := host.leash.Write([]byte{letGo}); err != nil {
			host.end()
			return false, fmt.Errorf("letting the cluster go: %w", err)
		}
		_ = host.cmd.Process.Release()
		introduce(*r.m.Cluster)
		return r.m.Failed, nil
	}
}

// runningHost is a host that has not been let go.
type runningHost struct {
	cmd             *exec.Cmd
	leash, messages *os.File
}

func launchHost(s *settings, more []string) (*runningHost, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	leashEnd, leash, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	messages, messagesEnd, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	cmd := exec.Command(self, append(append([]string{"host"}, s.args()...), more...)...)
	cmd.Stdout = os.Stdout
	cmd.ExtraFiles = []*os.File{leashEnd, messagesEnd} // become leashFD and messagesFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_, _ = leashEnd.Close(), messagesEnd.Close()
	if err != nil {
		return nil, fmt.Errorf("starting the cluster's owner: %w", err)
	}
	return &runningHost{cmd: cmd, leash: leash, messages: messages}, nil
}

// end breaks the leash and waits until the host has ended everything.
func (h *runningHost) end() {
	_ = h.leash.Close()
	done := make(chan struct{})
	go func() {
		_ = h.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(stopPatience + 5*time.Second):
		_ = h.cmd.Process.Kill() // its children die with it
		<-done
	}
}

// introduce prints how to use a cluster.
func introduce(c cluster) {
	kubectl, plugin := filepath.Join("bin", "kubectl"), filepath.Join("bin", "kubectl-karpenter_oke")
	controller := strings.TrimSuffix(c.MetricsURL, "/metrics")
	fmt.Printf(`
Cluster %s is up (process %d).

  export KUBECONFIG=%s

  OCI simulator      %s        (state: curl -s %s/_sim/instances)
  OCI configuration  %s
  controller         %s, log %s
  other logs         %s

Try:
  %s get nodes -L karpenter.sh/nodepool,type
  %s apply -f test/scenarios/mixed
  %s scale deployment karpenter-cpu-demo --replicas 12
  %s get nodeclaims -o wide --watch
  %s layers --controller-url %s
  %s types --nodepool managed-burst-pool --controller-url %s
  make down NAME=%s
`, c.Name, c.Owner.PID, c.Kubeconfig, c.OCIURL, c.OCIURL, c.OCIConfig, c.MetricsURL, c.ControllerLog, c.LogDir, kubectl, kubectl, kubectl, kubectl, plugin, controller, plugin, controller, c.Name)
}

func downCommand() *cobra.Command {
	var name string
	var all bool
	c := &cobra.Command{
		Use:   "down",
		Short: "End a cluster in the background",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			chosen, err := choose(name, all)
			if err != nil {
				return err
			}
			for _, one := range chosen {
				if err := end(c.Context(), one); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "default", "name of the cluster")
	c.Flags().BoolVar(&all, "all", false, "end all clusters")
	return c
}

// choose finds the clusters to end; an unknown name is answered with the known ones.
func choose(name string, all bool) ([]cluster, error) {
	known, err := clusters()
	if err != nil || all {
		return known, err
	}
	var names []string
	for _, c := range known {
		if c.Name == name {
			return []cluster{c}, nil
		}
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no cluster is up: `make up` starts one")
	}
	return nil, fmt.Errorf("there is no cluster %q; up are: %s (choose one with NAME=)", name, strings.Join(names, ", "))
}

// end asks the owner of a cluster to end and waits; an owner that does not end in time is killed, and its children die with it.
func end(ctx context.Context, c cluster) error {
	if !c.Owner.alive() {
		if err := environment.RemoveState(c.Dir); err != nil {
			return err
		}
		fmt.Printf("cluster %s had ended already; its state is removed\n", c.Name)
		return c.forget()
	}
	if err := syscall.Kill(c.Owner.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending cluster %s (process %d): %w", c.Name, c.Owner.PID, err)
	}
	deadline := time.NewTimer(stopPatience + 5*time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for c.Owner.alive() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			if err := syscall.Kill(c.Owner.PID, syscall.SIGKILL); err != nil {
				return fmt.Errorf("killing cluster %s (process %d): %w", c.Name, c.Owner.PID, err)
			}
		case <-ticker.C:
		}
	}
	fmt.Printf("cluster %s has been ended\n", c.Name)
	return c.forget()
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the clusters in the background", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			known, err := clusters()
			if err != nil {
				return err
			}
			for _, c := range known {
				state := "up"
				if !c.Owner.alive() {
					state = "ended, not cleaned up"
				}
				fmt.Printf("%-16s %-22s KUBECONFIG=%s\n", c.Name, state, c.Kubeconfig)
			}
			return nil
		},
	}
}
