package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
)

// childEnv makes the test binary play a program that starts a plane and waits to be killed.
const childEnv = "CLUSTER_TEST_PLANE_WORKDIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		plane, err := cluster.Start(context.Background(), cluster.Options{WorkDir: dir})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("READY", plane.URL())
		select {}
	}
	os.Exit(m.Run())
}

func TestTwoPlanesSideBySide(t *testing.T) {
	first := clustertest.Plane(t, cluster.Options{})
	second := clustertest.Plane(t, cluster.Options{AuditLog: true})
	require.NotEqual(t, first.URL(), second.URL())
	require.NotEqual(t, first.CA(), second.CA())

	t.Run("what is applied to one is not in the other", func(t *testing.T) {
		require.NoError(t, first.Apply(t.Context(), definition, thing))
		_, err := clustertest.Client(t, second).CoreV1().ConfigMaps("shop").Get(t.Context(), "settings", metav1.GetOptions{})
		require.True(t, apierrors.IsNotFound(err))
		got, err := clustertest.Client(t, first).CoreV1().ConfigMaps("shop").Get(t.Context(), "settings", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, "1", got.Data["a"])
	})
	t.Run("applying again is no error and deleting removes", func(t *testing.T) {
		require.NoError(t, first.Apply(t.Context(), definition, thing))
		require.NoError(t, first.Delete(t.Context(), thing))
		require.NoError(t, first.Delete(t.Context(), thing))
	})
	t.Run("a manifest of an unknown field or without a kind is an error", func(t *testing.T) {
		require.ErrorContains(t, first.Apply(t.Context(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nspec: {b: 1}\n"), "field not declared in schema")
		require.ErrorContains(t, first.Apply(t.Context(), "metadata: {name: a}\n"), "no kind")
	})
	t.Run("RBAC denies a user without a role and allows one with it", func(t *testing.T) {
		cfg, err := first.ConfigFor("jane", "developers")
		require.NoError(t, err)
		jane, err := kubernetes.NewForConfig(cfg)
		require.NoError(t, err)
		_, err = jane.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		require.NoError(t, first.Apply(t.Context(), roles))
		clustertest.Eventually(t, 10*time.Second, "the role is in force", func(ctx context.Context) (bool, string) {
			_, err := jane.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			return err == nil, fmt.Sprint(err)
		})
	})
	t.Run("a kubelet may not touch another kubelet's node", func(t *testing.T) {
		require.NoError(t, first.Apply(t.Context(), "apiVersion: v1\nkind: Node\nmetadata: {name: 10.0.0.2}\n"))
		cfg, err := first.ConfigFor("system:node:10.0.0.1", "system:nodes")
		require.NoError(t, err)
		kubelet, err := kubernetes.NewForConfig(cfg)
		require.NoError(t, err)
		_, err = kubelet.CoreV1().Nodes().Patch(t.Context(), "10.0.0.2", "application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
		require.True(t, apierrors.IsForbidden(err), "%v", err)
	})
	t.Run("the cluster DNS service has OKE's address", func(t *testing.T) {
		svc, err := clustertest.Client(t, first).CoreV1().Services("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, cluster.DefaultDNSServiceIP, svc.Spec.ClusterIP)
	})
	t.Run("the audit log names users and verbs", func(t *testing.T) {
		clustertest.Eventually(t, 60*time.Second, "the scheduler is in the log", func(context.Context) (bool, string) {
			data, err := os.ReadFile(second.AuditLogFile())
			return err == nil && strings.Contains(string(data), `"username":"system:kube-scheduler"`) && strings.Contains(string(data), `"verb":"list"`), fmt.Sprint(err, len(data))
		})
	})
	t.Run("a server that dies is noticed and named", func(t *testing.T) {
		require.NoError(t, second.Err())
		require.NoError(t, syscall.Kill(childOf(t, os.Getpid(), "kube-scheduler", second.WorkDir()), syscall.SIGKILL))
		clustertest.Eventually(t, 10*time.Second, "the death is noticed", func(context.Context) (bool, string) {
			err := second.Err()
			return err != nil && strings.Contains(err.Error(), "kube-scheduler ended by itself"), fmt.Sprint(err)
		})
	})
	t.Run("a stopped plane leaves no process and no file", func(t *testing.T) {
		require.NoError(t, first.Stop(t.Context()))
		require.NoError(t, first.Stop(t.Context()), "stopping twice")
		require.Empty(t, children(t, os.Getpid(), first.WorkDir()))
		require.NoDirExists(t, first.WorkDir())
		_, err := first.Run(process.Spec{Name: "late", Path: "/bin/true"})
		require.ErrorContains(t, err, "has been stopped")
	})
}

func TestStopKeepsFoldersThatAreNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "report.json"), []byte("{}"), 0o600))
	plane, err := cluster.Start(t.Context(), cluster.Options{WorkDir: dir})
	require.NoError(t, err)
	require.NoError(t, plane.Stop(t.Context()))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestStartRefusesAnIncompleteBin(t *testing.T) {
	bin := t.TempDir()
	_, err := cluster.Start(t.Context(), cluster.Options{BinDir: bin, WorkDir: t.TempDir()})
	var missing *binaries.Missing
	require.ErrorAs(t, err, &missing)
	require.ErrorContains(t, err, "etcd is missing")
	require.ErrorContains(t, err, "make tools")
	require.NotContains(t, err.Error(), "\n", "one line")
}

func TestStartCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "plane")
	_, err := cluster.Start(ctx, cluster.Options{WorkDir: dir})
	require.Error(t, err)
	require.Empty(t, children(t, os.Getpid(), dir))
}

func TestKillingTheParentLeavesNoChild(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plane")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "READY")
	require.Len(t, children(t, cmd.Process.Pid, dir), 4)
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	clustertest.Eventually(t, 10*time.Second, "all children end", func(context.Context) (bool, string) {
		left := children(t, 0, dir)
		return len(left) == 0, fmt.Sprint(left)
	})
}

// children lists the running processes whose command line names dir, by process id; parent 0 means any.
func children(t *testing.T, parent int, dir string) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	out := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !strings.Contains(string(cmdline), dir) {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil || strings.Contains(string(status), "State:\tZ") || (parent != 0 && !strings.Contains(string(status), fmt.Sprintf("PPid:\t%d\n", parent))) {
			continue
		}
		out[pid] = strings.ReplaceAll(string(cmdline), "\x00", " ")
	}
	return out
}

func childOf(t *testing.T, parent int, program, dir string) int {
	t.Helper()
	for pid, cmdline := range children(t, parent, dir) {
		if strings.Contains(strings.SplitN(cmdline, " ", 2)[0], program) {
			return pid
		}
	}
	require.Fail(t, "no such child", program)
	return 0
}

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.test.example}
spec:
  group: test.example
  names: {kind: Thing, plural: things}
  scope: Cluster
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
`

const thing = `
apiVersion: test.example/v1
kind: Thing
metadata: {name: one}
spec: {size: 3}
---
# an empty document is skipped
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {a: "1"}
`

const roles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: see-nodes}
rules: [{apiGroups: [""], resources: [nodes], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: see-nodes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: see-nodes}
subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
`
