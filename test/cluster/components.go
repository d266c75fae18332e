package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// serviceRange holds the service addresses, as an OKE cluster has by default.
const serviceRange = "10.96.0.0/16"

// Programs lists the binaries a plane needs in its BinDir.
func Programs() []string {
	return []string{"etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager"}
}

type portSet struct{ etcdClient, etcdPeer, apiserver, scheduler, controllerManager int }

func newPortSet() (portSet, error) {
	p, err := FreePorts(5)
	if err != nil {
		return portSet{}, err
	}
	return portSet{etcdClient: p[0], etcdPeer: p[1], apiserver: p[2], scheduler: p[3], controllerManager: p[4]}, nil
}

func loopback(scheme string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port) }

func etcdArgs(f files, p portSet) []string {
	client, peer := loopback("http", p.etcdClient), loopback("http", p.etcdPeer)
	return []string{
		"--name=local", "--data-dir=" + f.path("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=local=" + peer,
		"--unsafe-no-fsync", "--log-level=warn", "--quota-backend-bytes=4294967296",
	}
}

func apiserverArgs(f files, p portSet, o Options) []string {
	args := []string{
		"--etcd-servers=" + loopback("http", p.etcdClient),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p.apiserver),
		"--tls-cert-file=" + f.path("pki/apiserver.crt"), "--tls-private-key-file=" + f.path("pki/apiserver.key"),
		"--client-ca-file=" + f.path("pki/ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + f.path("pki/sa.pub"), "--service-account-signing-key-file=" + f.path("pki/sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + serviceRange, "--endpoint-reconciler-type=none",
		"--requestheader-client-ca-file=" + f.path("pki/front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + f.path("pki/front-proxy.crt"), "--proxy-client-key-file=" + f.path("pki/front-proxy.key"),
		"--allow-privileged=true", "--profiling=false",
	}
	if o.AuditLog {
		args = append(args, "--audit-policy-file="+f.path("audit-policy.yaml"), "--audit-log-path="+f.path("audit.jsonl"),
			"--audit-log-mode=batch")
	}
	return append(args, o.ExtraAPIServerArgs...)
}

func schedulerArgs(f files, p portSet, o Options) []string {
	args := []string{
		"--kubeconfig=" + f.path("kubeconfigs/scheduler"),
		"--authentication-kubeconfig=" + f.path("kubeconfigs/scheduler"),
		"--authorization-kubeconfig=" + f.path("kubeconfigs/scheduler"),
		"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p.scheduler),
		"--cert-dir=" + f.path("pki/scheduler"), "--kube-api-qps=200", "--kube-api-burst=400",
	}
	return append(args, o.ExtraSchedulerArgs...)
}

func controllerManagerArgs(f files, p portSet, o Options) []string {
	args := []string{
		"--kubeconfig=" + f.path("kubeconfigs/controller-manager"),
		"--authentication-kubeconfig=" + f.path("kubeconfigs/controller-manager"),
		"--authorization-kubeconfig=" + f.path("kubeconfigs/controller-manager"),
		"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p.controllerManager),
		"--cert-dir=" + f.path("pki/controller-manager"), "--kube-api-qps=200", "--kube-api-burst=400",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + f.path("pki/sa.key"), "--root-ca-file=" + f.path("pki/ca.crt"),
		"--cluster-signing-cert-file=" + f.path("pki/ca.crt"), "--cluster-signing-key-file=" + f.path("pki/ca.key"),
		"--node-monitor-grace-period=" + o.NodeMonitorGrace.String(),
	}
	return append(args, o.ExtraControllerManagerArgs...)
}

// auditPolicy records who did what to which resource, without bodies; reads of health and discovery are left out.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/openapi*", "/version", "/api", "/api/*", "/apis", "/apis/*"]
- level: Metadata
`

// files names everything below a plane's WorkDir.
type files struct{ root string }

func (f files) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

// write stores private content, making its folder.
func (f files) write(name string, content []byte) error {
	path := f.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the folder of %s: %w", name, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// clear removes everything a plane may have written, and nothing of the caller's.
func (f files) clear() error {
	var errs []error
	for _, name := range []string{"etcd", "pki", "kubeconfigs", "kubeconfig", "audit-policy.yaml", "audit.jsonl", "logs"} {
		errs = append(errs, os.RemoveAll(f.path(name)))
	}
	return errors.Join(errs...)
}
