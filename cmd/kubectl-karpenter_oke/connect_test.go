package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

// fakeCluster answers as an API server does: Leases, Pods, and the forwarding of ports to the Pod by SPDY. What it forwards goes to a
// server of this test.
type fakeCluster struct {
	t       *testing.T
	target  string // host:port of the controller
	leases  []coordinationv1.Lease
	pods    []corev1.Pod
	refuse  string // part of the paths that are forbidden
	ports   sync.Map
	members sync.WaitGroup
}

func (f *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	write := func(code int, v any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	path := r.URL.Path
	switch {
	case f.refuse != "" && strings.Contains(path, f.refuse):
		write(http.StatusForbidden, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: 403, Message: "forbidden for you"})
	case strings.HasSuffix(path, "/leases"):
		write(http.StatusOK, coordinationv1.LeaseList{TypeMeta: metav1.TypeMeta{Kind: "LeaseList", APIVersion: "coordination.k8s.io/v1"}, Items: f.leases})
	case strings.HasSuffix(path, "/portforward"):
		f.forward(w, r)
	case strings.HasSuffix(path, "/pods"):
		write(http.StatusOK, corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: f.pods})
	case strings.HasSuffix(path, "/events"):
		write(http.StatusOK, corev1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "v1"}})
	default:
		for k := range f.pods {
			if strings.HasSuffix(path, "/namespaces/"+f.pods[k].Namespace+"/pods/"+f.pods[k].Name) {
				write(http.StatusOK, f.pods[k])
				return
			}
		}
		write(http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404})
	}
}

// forward speaks the protocol of the kubelet's port-forward.
func (f *fakeCluster) forward(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return // the client tries again without a web socket
	}
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replySent <-chan struct{}) error {
		f.ports.Store(stream.Headers().Get(corev1.PortHeader), true)
		if stream.Headers().Get(corev1.StreamType) != corev1.StreamTypeData {
			go func() {
				<-replySent
				_ = stream.Close() // the stream of errors: there are none
			}()
			return nil
		}
		f.members.Add(1)
		go func() {
			defer f.members.Done()
			<-replySent
			defer func() { _ = stream.Close() }()
			to, err := net.Dial("tcp", f.target)
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(to, stream)
				_ = to.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(stream, to)
			_ = to.Close()
		}()
		return nil
	})
	if connection == nil {
		return
	}
	<-connection.CloseChan()
}

// start serves the fake and writes a kubeconfig for it.
func (f *fakeCluster) start(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "t"}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u", Namespace: "shop"}
	config.CurrentContext = "x"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*config, file))
	return file
}

// controllerAt is a controller that answers everything with one value, and says how it was asked.
func controllerAt(t *testing.T, code int, value any) (hostPort string, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, r.Method+" "+r.URL.String(), string(body))
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(value)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return u.Host, asked
}

func leaseOf(holder string) []coordinationv1.Lease {
	return []coordinationv1.Lease{{ObjectMeta: metav1.ObjectMeta{Namespace: "karpenter", Name: leaseName}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder}}}
}

func controllerPod(name string, edits ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "karpenter", Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 81}, {Name: metricsPortName, ContainerPort: 8000}}}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func TestTheLeaderIsAskedThroughAPortForward(t *testing.T) {
	target, asked := controllerAt(t, 200, inspect.Layers{Currency: "USD"})
	f := &fakeCluster{t: t, target: target, leases: leaseOf("karpenter-oke-7_5f3a"), pods: []corev1.Pod{controllerPod("karpenter-oke-6"), controllerPod("karpenter-oke-7")}}
	code, out, errs := call("", "layers", "--kubeconfig", f.start(t), "-o", "json")
	require.Zero(t, code, errs)
	require.Contains(t, out, `"currency": "USD"`)
	require.Equal(t, []string{"GET " + inspect.LayersPath, ""}, *asked)
	_, named := f.ports.Load("8000")
	require.True(t, named, "the container's port for metrics")
	f.members.Wait()
}

func TestWithoutALeaseTheOnlyRunningPodIsAsked(t *testing.T) {
	target, _ := controllerAt(t, 200, inspect.Layers{})
	ended := controllerPod("old", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })
	f := &fakeCluster{t: t, target: target, pods: []corev1.Pod{ended, controllerPod("new", func(p *corev1.Pod) { p.Spec.Containers[0].Ports = nil })}}
	code, _, errs := call("", "layers", "--kubeconfig", f.start(t))
	require.Zero(t, code, errs)
	_, standard := f.ports.Load("8080")
	require.True(t, standard)
	f.members.Wait()
}

func TestWhyTheControllerCanNotBeAskedIsSaidInOneLine(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	gone := closed.URL
	closed.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for says, c := range map[string]struct {
		cluster *fakeCluster
		args    []string
		want    string
	}{
		"no controller":             {&fakeCluster{}, nil, "no controller found: nobody holds a Lease karpenter-leader-election"},
		"two Pods and no Lease":     {&fakeCluster{pods: []corev1.Pod{controllerPod("a"), controllerPod("b")}}, nil, "2 Pods have app.kubernetes.io/name=karpenter-oke and none holds a Lease"},
		"a holder that is no Pod":   {&fakeCluster{leases: leaseOf("laptop_1")}, nil, `held by "laptop", which is no Pod there`},
		"no right to list Leases":   {&fakeCluster{refuse: "/leases"}, nil, "you have no right to list Leases"},
		"no right to forward ports": {&fakeCluster{leases: leaseOf("a_1"), pods: []corev1.Pod{controllerPod("a")}, refuse: "/portforward"}, nil, "you have no right to port-forward to the controller's Pod (create pods/portforward in namespace karpenter)"},
		"nothing behind the port":   {&fakeCluster{leases: leaseOf("a_1"), pods: []corev1.Pod{controllerPod("a")}, target: strings.TrimPrefix(gone, "http://")}, nil, "the controller's Pod karpenter/a does not answer on port 8000"},
		"nothing at the URL":        {&fakeCluster{}, []string{"--controller-url", gone}, "no controller answers at " + gone},
		"something else at the URL": {&fakeCluster{}, []string{"--controller-url", other.URL}, "is no karpenter-oke of this plugin's version: 404 Not Found"},
		"a URL that is none":        {&fakeCluster{}, []string{"--controller-url", "localhost:8080"}, "want http://HOST:PORT"},
		"an unknown output":         {&fakeCluster{}, []string{"-o", "xml"}, `--output "xml": want one of table, json, yaml`},
	} {
		t.Run(says, func(t *testing.T) {
			code, out, errs := call("", append([]string{"layers", "--kubeconfig", c.cluster.start(t)}, c.args...)...)
			require.Equal(t, 1, code)
			require.Empty(t, out)
			require.Contains(t, errs, c.want)
			require.True(t, strings.HasPrefix(errs, "error: "), errs)
		})
	}
	code, _, errs := call("", "layers", "--kubeconfig", filepath.Join(t.TempDir(), "none"))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no cluster to talk to; set KUBECONFIG or --kubeconfig")
}

func TestTheControllersProblemsBecomeErrors(t *testing.T) {
	target, asked := controllerAt(t, 404, inspect.Problem{Error: `there is no NodePool "generel"`, Known: []string{"general", "gpu"}})
	code, _, errs := call("", "types", "--nodepool", "generel", "--controller-url", "http://"+target)
	require.Equal(t, 1, code)
	require.Equal(t, "error: there is no NodePool \"generel\"; there are: general, gpu\n", errs)
	require.Equal(t, "GET "+inspect.TypesPath+"?nodepool=generel", (*asked)[0])
}

func TestExplainSendsThePodWithoutWhatOthersShouldNotSee(t *testing.T) {
	target, asked := controllerAt(t, 200, inspect.Explanation{Layer: "managed", Summary: "This pod is Karpenter's."})
	web := controllerPod("web-1", func(p *corev1.Pod) {
		p.Namespace, p.GenerateName = "shop", "web-"
		p.Annotations = map[string]string{"karpenter.k8s.oracle/layer": "managed", corev1.LastAppliedConfigAnnotation: "{secret}"}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "TOKEN", Value: "secret"}}
		p.Spec.Containers[0].Args = []string{"--token=secret"}
		p.Status = corev1.PodStatus{Phase: corev1.PodPending}
	})
	kubeconfig := (&fakeCluster{t: t, pods: []corev1.Pod{web}}).start(t)
	code, out, errs := call("", "explain", "pod", "web-1", "--kubeconfig", kubeconfig, "--controller-url", "http://"+target)
	require.Zero(t, code, errs)
	require.True(t, strings.HasPrefix(out, "Pod shop/web-1: Pending, has no node\n\nThis pod is Karpenter's.\n"), out)
	require.Equal(t, "POST "+inspect.ExplainPath, (*asked)[0])
	require.NotContains(t, (*asked)[1], "secret")
	require.Contains(t, (*asked)[1], "karpenter.k8s.oracle/layer")

	code, _, errs = call("", "explain", "pod/web-2", "--kubeconfig", kubeconfig, "--controller-url", "http://"+target)
	require.Equal(t, 1, code)
	require.Equal(t, "error: there is no pod \"web-2\" in namespace shop; there are: web-1\n", errs)
}

func TestPodsAreNamedAsKubectlNamesThem(t *testing.T) {
	for args, want := range map[string]string{"pod a": "a", "po a": "a", "pods/a": "a", "a": "a", "pod": "", "deployment a": "", "deployment/a": "", "pod/": ""} {
		got, err := podName(strings.Fields(args))
		require.Equal(t, want, got, args)
		require.Equal(t, want == "", err != nil, args)
	}
	require.Equal(t, "a", lo.Must(podName([]string{"a"})))
}
