package kubelets

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
)

// KeptLabel is on a Node while its machine runs; kwok renews the lease of, and runs the pods on, nodes that carry it.
const KeptLabel = "kubelet.karpenter-oke.test/alive"

// Programs lists the binaries beside the plane's that kubelets need.
func Programs() []string { return []string{"kwok"} }

//go:embed stages.yaml
var stages string

// kwokOptions chooses the nodes by label only (the default annotation selector is cleared). The parallelisms must not be 0.
const kwokOptions = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  manageAllNodes: false
  manageNodesWithAnnotationSelector: ""
  manageNodesWithLabelSelector: %s=true
  cidr: %s
  nodeLeaseDurationSeconds: 40
  nodeLeaseParallelism: 4
  nodePlayStageParallelism: 4
  podPlayStageParallelism: 4
---
%s`

// startKwok runs kwok as a child of the plane.
func startKwok(plane *cluster.Plane, podCIDR string) (*process.Process, error) {
	if err := binaries.Check(plane.BinDir(), Programs()...); err != nil {
		return nil, err
	}
	config := filepath.Join(plane.WorkDir(), "kubeconfigs", "kwok.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, kwokOptions, KeptLabel, podCIDR, stages), 0o600); err != nil {
		return nil, fmt.Errorf("writing kwok's configuration: %w", err)
	}
	kubeconfig, err := plane.KubeconfigFor("kwok", "kwok", "system:masters")
	if err != nil {
		return nil, err
	}
	return plane.Run(process.Spec{
		Name: "kwok",
		Path: filepath.Join(plane.BinDir(), "kwok"),
		Args: []string{"--kubeconfig=" + kubeconfig, "--config=" + config, "--node-port=0"},
	})
}
