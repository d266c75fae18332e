//go:build e2e

// Package startup shows on a live cluster that a controller which could only half-work does not start, and says why where people look.
package startup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestWhatKeepsAControllerFromWorkingEndsItAtItsStart(t *testing.T) {
	s := live.Start(t, environment.Options{Name: "e2e-startup", FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None()})
	for _, tc := range []struct {
		pod    string
		spoil  func(t *testing.T, s *live.Spec, spec *process.Spec)
		want   []string
		reason string
	}{
		{pod: "no-cluster", spoil: func(_ *testing.T, _ *live.Spec, spec *process.Spec) {
			at := slices.Index(spec.Args, "--cluster-id")
			spec.Args = slices.Delete(spec.Args, at, at+2)
		}, want: []string{"--cluster-id (or CLUSTER_ID) is required"}},
		{pod: "second", spoil: func(*testing.T, *live.Spec, *process.Spec) {},
			want: []string{"another karpenter-oke serves this cluster, karpenter/", "uninstall one of them (this is other/karpenter-leader-election;"}},
		{pod: "no-rights", spoil: func(t *testing.T, s *live.Spec, spec *process.Spec) {
			spec.Args = append(spec.Args, "--leader-election-namespace=karpenter", "--disable-leader-election=true") // the first installation's replica
			id, err := s.Simulator().Faults().Add(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no"})
			require.NoError(t, err)
			t.Cleanup(func() { s.Simulator().Faults().Remove(id) })
		}, want: []string{"add the policy statements: Allow <the controller> to manage instances in compartment id ocid1."}},
		{pod: "old-definitions", spoil: func(t *testing.T, s *live.Spec, _ *process.Spec) {
			d := &apiextensionsv1.CustomResourceDefinition{}
			require.NoError(t, s.Client().Get(t.Context(), client.ObjectKey{Name: "nodeclaims.karpenter.sh"}, d))
			spec := d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
			delete(spec.Properties, "terminationGracePeriod")
			require.NoError(t, s.Client().Update(t.Context(), d))
		}, want: []string{"the definition nodeclaims.karpenter.sh is older than this controller: it lacks spec.terminationGracePeriod; upgrade the chart karpenter-oke-crd"}},
	} {
		t.Run(tc.pod, func(t *testing.T) {
			s := s.In(t)
			spec, err := s.ControllerSpec(t.Context(), 0, 0, "--disable-leader-election=false", "--leader-election-namespace=other")
			require.NoError(t, err)
			spec.Name, spec.LogFile = tc.pod, filepath.Join(t.TempDir(), "controller.log")
			spec.Env = append(spec.Env, "POD_NAME="+tc.pod, "POD_UID=uid-"+tc.pod)
			tc.spoil(t, s, &spec)
			child, err := process.Start(spec)
			require.NoError(t, err)
			select {
			case <-child.Done():
			case <-time.After(live.Patience):
				_ = child.Kill()
				require.Fail(t, "it did not end")
			}
			text, err := os.ReadFile(spec.LogFile)
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			last := lines[len(lines)-1]
			for _, want := range tc.want {
				require.Contains(t, last, want, "the last line of the log")
			}
			s.Eventually("the event of the pod", func() string {
				events := &corev1.EventList{}
				if err := s.Client().List(t.Context(), events, client.InNamespace("karpenter")); err != nil {
					return err.Error()
				}
				for i := range events.Items {
					if e := &events.Items[i]; string(e.InvolvedObject.UID) == "uid-"+tc.pod && e.Reason == "CannotStart" && strings.Contains(last, e.Message) {
						return ""
					}
				}
				return "there is none"
			})
		})
	}
}
