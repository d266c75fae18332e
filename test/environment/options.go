// Package environment assembles a whole mixed OKE cluster on this machine: the OCI simulator, a real control plane, simulated
// kubelets for its instances, virtual nodes, two managed node pools of fixed size, and the controller as a process of its own.
//
// Demo, `make up` and the end-to-end tests all stand on it.
package environment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// The sizes of the cluster's fixed parts when nothing else is said.
const (
	DefaultFixedNodes   = 2
	DefaultSystemNodes  = 2
	DefaultVirtualNodes = 2
)

// maxFixedNodes bounds a pool to what the node subnets and a small machine take.
const maxFixedNodes = 2000

// ControllerBinary is the controller's name in bin/, ControllerMend the command that builds it.
const (
	ControllerBinary = "karpenter-oke"
	ControllerMend   = "make build"
)

// Options of an environment.
type Options struct {
	Name    string // of the cluster; a DNS label
	Dir     string // everything it writes is below; default out/<Name> of the repository
	BinDir  string // default the repository's bin/
	RepoDir string // default the folder with the nearest go.mod above the working directory

	FixedNodes   *int // managed nodes labelled and tainted workload-type=stateful; nil means DefaultFixedNodes
	SystemNodes  *int // managed nodes for the cluster's own services; nil means DefaultSystemNodes
	VirtualNodes *int // nil means DefaultVirtualNodes

	Controller     bool     // start the controller
	ControllerArgs []string // appended to the controller's arguments, so they win
	// InterruptionStream has the controller read the region's stream of interruptions, World.StreamID.
	InterruptionStream bool
	ControllerRBAC     []string // manifests with the controller's rights; none: it runs as cluster admin
	AuditLog           bool     // record every request's user, verb and resource; see Plane().AuditLogFile

	// BootDelay is the time from a running instance to its kubelet's start; default as kubelets.Options says.
	BootDelay time.Duration

	// AlterNode may change a Node before its kubelet registers it; nil changes nothing.
	AlterNode func(kubelets.Instance, *corev1.Node)

	OCISim       ocisim.Options
	OCISimListen string // default a free port on 127.0.0.1

	Say   func(string)     // told about each step; nil is silent
	Clock clock.WithTicker // default the real clock
	// StartTimeout bounds the whole start; default 4 minutes (a warm start takes about 15 s, a loaded machine much longer).
	StartTimeout time.Duration
}

var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$`)

// withDefaults fills what is unset and refuses what cannot work, naming the option.
func (o Options) withDefaults() (Options, error) {
	if !nameRule.MatchString(o.Name) {
		return o, fmt.Errorf("the name %q is not made of 1 to 42 lower-case letters, digits and dashes", o.Name)
	}
	if o.RepoDir == "" {
		dir, err := findRepo()
		if err != nil {
			return o, err
		}
		o.RepoDir = dir
	}
	if o.BinDir == "" {
		dir, err := binaries.Find()
		if err != nil {
			return o, err
		}
		o.BinDir = dir
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(o.RepoDir, "out", o.Name)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("finding the folder %s: %w", o.Dir, err)
	}
	o.Dir = dir
	for _, n := range []struct {
		field         **int
		standard, max int
		what          string
	}{
		{&o.FixedNodes, DefaultFixedNodes, maxFixedNodes, "fixed nodes"}, {&o.SystemNodes, DefaultSystemNodes, maxFixedNodes, "system nodes"},
		{&o.VirtualNodes, DefaultVirtualNodes, maxVirtualNodes, "virtual nodes"},
	} {
		if *n.field == nil {
			standard := n.standard
			*n.field = &standard
		}
		if **n.field < 0 || **n.field > n.max {
			return o, fmt.Errorf("%d %s are not possible: choose 0 to %d", **n.field, n.what, n.max)
		}
	}
	if o.OCISimListen == "" {
		o.OCISimListen = "127.0.0.1:0"
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 4 * time.Minute
	}
	return o, o.checkPrograms()
}

// checkPrograms says which program is missing or half built, and how to mend it, before anything is started.
func (o Options) checkPrograms() error {
	if err := binaries.Check(o.BinDir, append(cluster.Programs(), "kwok")...); err != nil {
		return err
	}
	if !o.Controller {
		return nil
	}
	info, err := os.Stat(o.controllerPath())
	if err != nil || info.IsDir() || info.Mode()&0o111 == 0 || info.Size() == 0 {
		return fmt.Errorf("%s is missing or not a program: run `%s`", o.controllerPath(), ControllerMend)
	}
	return nil
}

func (o Options) controllerPath() string { return filepath.Join(o.BinDir, ControllerBinary) }

// findRepo returns the folder with the nearest go.mod above the working directory.
func findRepo() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in or above the working directory: run this inside the repository")
		}
		dir = up
	}
}
