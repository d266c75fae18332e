// Package helm runs the real helm against a local control plane.
package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
)

// Helm is the program with the cluster that it works on.
type Helm struct {
	program    string
	kubeconfig string
}

// New finds helm beside the control plane's programs. Error: *binaries.Missing, which says how to build it.
func New(kubeconfig string) (*Helm, error) {
	bin, err := binaries.Find()
	if err != nil {
		return nil, err
	}
	if err := binaries.Check(bin, "helm"); err != nil {
		return nil, err
	}
	return &Helm{program: filepath.Join(bin, "helm"), kubeconfig: kubeconfig}, nil
}

// Run runs helm with nothing of the user's own configuration, and returns what it wrote. An error has helm's own words.
func (h *Helm) Run(ctx context.Context, args ...string) (stdout string, err error) {
	home, err := os.MkdirTemp("", "helm-home-")
	if err != nil {
		return "", fmt.Errorf("making a home for helm: %w", err)
	}
	defer func() { _ = os.RemoveAll(home) }()
	cmd := exec.CommandContext(ctx, h.program, args...)
	cmd.Env = []string{
		"HOME=" + home, "KUBECONFIG=" + h.kubeconfig,
		"HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home, "HELM_PLUGINS=" + home,
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w: %s%s", args[0], err, said.String(), out.String())
	}
	return out.String(), nil
}
