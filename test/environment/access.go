package environment

import (
	"context"
	"maps"
	"path/filepath"
	"runtime/debug"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Group is the API group of the project's kinds.
const Group = v1alpha1.Group

// Kubeconfig is the path of a kubeconfig with all rights.
func (e *Environment) Kubeconfig() string { return e.plane.Kubeconfig() }

// RESTConfig has all rights.
func (e *Environment) RESTConfig() *rest.Config { return e.plane.RESTConfig() }

// Client reads and writes the cluster directly; it knows core's kinds and ours.
func (e *Environment) Client() client.Client { return e.client }

// Plane is the control plane.
func (e *Environment) Plane() *cluster.Plane { return e.plane }

// Simulator is the OCI region.
func (e *Environment) Simulator() *ocisim.Simulator { return e.sim.Simulator }

// SimulatorURL is where the OCI region is served.
func (e *Environment) SimulatorURL() string { return e.sim.URL }

// OCIConfig is the path of an OCI SDK configuration for the region.
func (e *Environment) OCIConfig() string { return e.ociConfig }

// Machines are the simulated kubelets.
func (e *Environment) Machines() *kubelets.Fleet { return e.fleet }

// Recorder follows the cluster since its start.
func (e *Environment) Recorder() *record.Recorder { return e.recorder }

// Dir is where everything of this cluster is.
func (e *Environment) Dir() string { return e.o.Dir }

// RepoDir is the repository that the cluster's manifests are from.
func (e *Environment) RepoDir() string { return e.o.RepoDir }

// LogDir holds the logs of the control plane.
func (e *Environment) LogDir() string { return filepath.Join(e.planeDir(), "logs") }

// Apply applies manifests.
func (e *Environment) Apply(ctx context.Context, manifests ...string) error {
	return e.plane.Apply(ctx, manifests...)
}

// Delete deletes the objects of manifests.
func (e *Environment) Delete(ctx context.Context, manifests ...string) error {
	return e.plane.Delete(ctx, manifests...)
}

// Timings of the start, in seconds since its beginning.
func (e *Environment) Timings() map[string]float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.timings)
}

// ControllerLogTail is the end of the controller's log.
func (e *Environment) ControllerLogTail(lines int) string {
	return process.Tail(e.ControllerLog(), lines)
}

// noteVersions records the versions of all parts.
func (e *Environment) noteVersions() {
	for part, program := range map[string]string{"Kubernetes": "kube-apiserver", "etcd": "etcd", "kwok": "kwok"} {
		if stamp, err := binaries.ReadStamp(e.o.BinDir, program); err == nil {
			e.recorder.SetVersion(part, stamp.Version)
		}
	}
	e.recorder.SetVersion("OKE control plane record", e.sim.World().KubernetesVersion)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	e.recorder.SetVersion("Go", strings.TrimPrefix(info.GoVersion, "go"))
	for _, dep := range info.Deps {
		switch dep.Path {
		case "sigs.k8s.io/karpenter":
			e.recorder.SetVersion("Karpenter core", dep.Version)
		case "github.com/oracle/oci-go-sdk/v65":
			e.recorder.SetVersion("OCI Go SDK", dep.Version)
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			e.recorder.SetVersion("karpenter-oke", s.Value[:min(12, len(s.Value))])
		}
	}
}
