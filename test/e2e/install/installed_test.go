//go:build e2e

// Package install_test installs the charts with the real helm on a real control plane and runs what they install as a node would: the image that
// `make image` builds, with the Deployment's own arguments, environment, user, service account token, rights and probes.
package install_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/helm"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/podhost"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/tools/image/ociarchive"
)

const (
	repo      = "../../.."
	namespace = "karpenter"
	release   = "karpenter-oke"
	account   = "system:serviceaccount:" + namespace + ":" + release
	metrics   = 8080 // the chart's port
)

// installed is a cluster whose nodes for the controller run what is installed there.
type installed struct {
	*live.Spec
	helm  *helm.Helm
	hosts []*podhost.Host
}

// start starts a cluster without a controller, with three hosts in three zones, and with the exchange of tokens that OKE offers beside the API
// server.
func start(t *testing.T, o environment.Options) *installed {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("runs an image as processes of Linux")
	}
	o.AuditLog, o.FixedNodes, o.SystemNodes, o.OCISim.VerifySignatures = true, live.None(), live.None(), true
	i := &installed{Spec: live.StartBare(t, o)}
	var err error
	i.helm, err = helm.New(i.Kubeconfig())
	require.NoError(t, err)
	i.serveExchange()
	pull := i.image()
	for n := range 3 {
		host, err := podhost.New(podhost.Options{
			Plane: i.Plane(), Name: fmt.Sprintf("host-%d", n+1), Zone: fmt.Sprintf("PHX-AD-%d", n+1), Namespace: namespace, Dir: filepath.Join(i.Dir(), fmt.Sprintf("host-%d", n+1)), Pull: pull,
		})
		require.NoError(t, err)
		i.hosts = append(i.hosts, host)
		clustertest.Run(t, "host", host.Run)
	}
	i.Eventually("the hosts to have joined", func() string {
		nodes := &corev1.NodeList{}
		require.NoError(t, i.Client().List(i.Context(), nodes))
		joined := lo.CountBy(nodes.Items, func(n corev1.Node) bool { return strings.HasPrefix(n.Name, "host-") && len(n.Spec.Taints) == 0 })
		return lo.Ternary(joined == len(i.hosts), "", fmt.Sprintf("%d have", joined))
	})
	t.Cleanup(func() {
		for _, pod := range i.pods() {
			if t.Failed() {
				t.Logf("end of the log of %s:\n%s", pod.Name, tail(i.log(pod.Name)))
			}
		}
	})
	return i
}

// image builds the image around the controller of bin/, as `make image` does, and returns what pulls it.
func (i *installed) image() func(context.Context, string, string) (v1.Image, error) {
	i.Helper()
	version := regexp.MustCompile(`(?m)^appVersion: (\S+)$`).FindStringSubmatch(read(i.T, repo+"/charts/karpenter-oke/Chart.yaml"))
	require.Len(i.T, version, 2)
	out, platform := i.TempDir(), "linux/"+runtime.GOARCH
	program, err := filepath.Abs(filepath.Join(i.Plane().BinDir(), environment.ControllerBinary))
	require.NoError(i.T, err)
	build := exec.CommandContext(i.Context(), "go", "run", "./tools/image", "--version", version[1], "--platforms", platform, "--binary", platform+"="+program, "--out", out)
	build.Dir = repo
	said, err := build.CombinedOutput()
	require.NoError(i.T, err, string(said))
	file, err := os.Open(filepath.Join(out, release+"-"+version[1]+".tar"))
	require.NoError(i.T, err)
	defer func() { _ = file.Close() }()
	layout, err := ociarchive.Read(file)
	require.NoError(i.T, err)
	return func(_ context.Context, reference, root string) (v1.Image, error) {
		if reference != layout.Reference {
			return v1.Image{}, fmt.Errorf("there is %s and no other", layout.Reference)
		}
		return layout.Extract("linux", runtime.GOARCH, root)
	}
}

// serveExchange serves the exchange of service account tokens on OKE's port of the API server's host, under the cluster's authority.
func (i *installed) serveExchange() {
	i.Helper()
	simulator, err := url.Parse(i.SimulatorURL())
	require.NoError(i.T, err)
	certificate, err := i.Plane().ServingCertificate("proxymux", net.IPv4(127, 0, 0, 1))
	require.NoError(i.T, err)
	var listener net.Listener
	i.Eventually("the port of the exchange to be free", func() string {
		listener, err = tls.Listen("tcp", net.JoinHostPort("127.0.0.1", auth.KubernetesProxymuxServicePort), &tls.Config{Certificates: []tls.Certificate{certificate}})
		return lo.TernaryF(err == nil, func() string { return "" }, func() string { return err.Error() })
	})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(simulator) }}}
	clustertest.Run(i.T, "the exchange of tokens", func(ctx context.Context) error {
		go func() {
			<-ctx.Done()
			_ = server.Close()
		}()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// values are what a user says of this cluster: who it is, and where OCI is.
func (i *installed) values() []string {
	w := i.Simulator().World()
	return []string{"--namespace", namespace, "--set", strings.Join([]string{
		"settings.clusterId=" + w.ClusterID, "settings.compartmentId=" + w.CompartmentID,
		"settings.ociEndpoint=" + i.SimulatorURL(), "settings.priceListUrl=" + i.SimulatorURL() + ocisim.PriceListPath,
	}, ",")}
}

func (i *installed) mustHelm(args ...string) string {
	i.Helper()
	out, err := i.helm.Run(i.Context(), args...)
	require.NoError(i.T, err)
	return out
}

// pods are the controller's.
func (i *installed) pods() []corev1.Pod {
	list := &corev1.PodList{}
	ctx := context.WithoutCancel(i.Context())
	if err := i.Client().List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/name": release}); err != nil {
		return nil
	}
	return list.Items
}

// available waits until the Deployment has rolled out: every replica is of its present form and ready.
func (i *installed) available() {
	i.Helper()
	i.Eventually("the controller to be rolled out", func() string {
		d := &appsv1.Deployment{}
		i.Get(d, namespace, release)
		s := d.Status
		if s.ObservedGeneration == d.Generation && s.UpdatedReplicas == *d.Spec.Replicas && s.AvailableReplicas == *d.Spec.Replicas && s.Replicas == *d.Spec.Replicas {
			return ""
		}
		said := lo.Map(i.pods(), func(p corev1.Pod, _ int) string {
			return p.Name + " " + string(p.Status.Phase) + " " + p.Status.Message
		})
		return fmt.Sprintf("%d of %d are updated, %d available: %s", s.UpdatedReplicas, s.Replicas, s.AvailableReplicas, strings.Join(said, "; "))
	})
}

// leader waits for the pod whose process leads.
func (i *installed) leader() (pod string) {
	i.Helper()
	i.Eventually("a leader", func() string {
		for _, p := range i.pods() {
			if i.metric(p.Name, `leader_election_master_status{name="karpenter-leader-election"}`) == "1" {
				pod = p.Name
				return ""
			}
		}
		return "none"
	})
	return pod
}

// metric is the value of a series of one pod; empty without one.
func (i *installed) metric(pod, series string) string {
	host, ok := i.host(pod)
	if !ok {
		return ""
	}
	request, err := http.NewRequestWithContext(i.Context(), http.MethodGet, host.URL(pod, metrics)+"/metrics", nil)
	require.NoError(i.T, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(body)
	if found == nil {
		return ""
	}
	return string(found[1])
}

// host is the host that runs a pod now.
func (i *installed) host(pod string) (*podhost.Host, bool) {
	return lo.Find(i.hosts, func(h *podhost.Host) bool { return h.Log(pod) != "" })
}

// log is the log of a pod's present process.
func (i *installed) log(pod string) string {
	host, ok := i.host(pod)
	if !ok {
		return ""
	}
	data, err := os.ReadFile(host.Log(pod))
	if err != nil {
		return ""
	}
	return string(data)
}

// ended are all ends of the controller's processes.
func (i *installed) ended() []podhost.Ended {
	return lo.FlatMap(i.hosts, func(h *podhost.Host, _ int) []podhost.Ended { return h.Ended() })
}

func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}
