package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/pki"
)

const (
	adminUser  = "local-admin"
	adminGroup = "system:masters"
)

// writeFiles makes the certificates, keys, kubeconfigs and policies that the servers read.
func (p *Plane) writeFiles() error {
	ca, err := pki.NewAuthority("karpenter-oke-local")
	if err != nil {
		return err
	}
	p.ca = ca
	caKey, err := ca.KeyPEM()
	if err != nil {
		return err
	}
	server, err := ca.Server("kube-apiserver",
		[]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 96, 0, 1)},
		[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"})
	if err != nil {
		return err
	}
	// Aggregated API servers trust requests signed by an authority of their own.
	frontCA, err := pki.NewAuthority("karpenter-oke-local-front-proxy")
	if err != nil {
		return err
	}
	front, err := frontCA.Client("front-proxy-client")
	if err != nil {
		return err
	}
	saKey, saPub, err := pki.SigningKey()
	if err != nil {
		return err
	}
	content := map[string][]byte{
		"pki/ca.crt": ca.CertPEM(), "pki/ca.key": caKey,
		"pki/apiserver.crt": server.Cert, "pki/apiserver.key": server.Key,
		"pki/front-proxy-ca.crt": frontCA.CertPEM(), "pki/front-proxy.crt": front.Cert, "pki/front-proxy.key": front.Key,
		"pki/sa.key": saKey, "pki/sa.pub": saPub,
		"audit-policy.yaml": []byte(auditPolicy),
	}
	for name, data := range content {
		if err := p.files.write(name, data); err != nil {
			return err
		}
	}
	for path, identity := range map[string][]string{
		"kubeconfig":                     {adminUser, adminGroup},
		"kubeconfigs/scheduler":          {"system:kube-scheduler"},
		"kubeconfigs/controller-manager": {"system:kube-controller-manager"},
	} {
		if err := p.writeKubeconfig(path, identity[0], identity[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// KubeconfigFor writes WorkDir/kubeconfigs/<name> for a user with groups and returns its path.
func (p *Plane) KubeconfigFor(name, user string, groups ...string) (string, error) {
	path := "kubeconfigs/" + name
	if err := p.writeKubeconfig(path, user, groups...); err != nil {
		return "", err
	}
	return p.files.path(path), nil
}

// ServingCertificate is a certificate of the cluster's authority for a server at an address, as what OKE runs beside the API server has.
func (p *Plane) ServingCertificate(name string, ip net.IP) (tls.Certificate, error) {
	pair, err := p.ca.Server(name, []net.IP{ip}, nil)
	if err != nil {
		return tls.Certificate{}, err
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading the certificate of %s: %w", name, err)
	}
	return certificate, nil
}

func (p *Plane) writeKubeconfig(path, user string, groups ...string) error {
	pair, err := p.ca.Client(user, groups...)
	if err != nil {
		return err
	}
	data, err := clientcmd.Write(api.Config{
		Clusters:       map[string]*api.Cluster{"local": {Server: p.host, CertificateAuthorityData: p.CA()}},
		AuthInfos:      map[string]*api.AuthInfo{user: {ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}},
		Contexts:       map[string]*api.Context{"local": {Cluster: "local", AuthInfo: user}},
		CurrentContext: "local",
	})
	if err != nil {
		return fmt.Errorf("encoding the kubeconfig of %s: %w", user, err)
	}
	return p.files.write(path, data)
}

// furnish waits for what every cluster has (the default service account) and adds what every OKE cluster has: the cluster
// DNS Service at its well-known address.
func (p *Plane) furnish(ctx context.Context) error {
	kube, err := kubernetes.NewForConfig(p.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	dns := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Namespace: metav1.NamespaceSystem, Labels: map[string]string{"k8s-app": "kube-dns"}},
		Spec: corev1.ServiceSpec{
			ClusterIP: p.o.DNSServiceIP,
			Selector:  map[string]string{"k8s-app": "kube-dns"},
			Ports: []corev1.ServicePort{
				{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(53)},
				{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(53)},
			},
		},
	}
	var last error
	created := false
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := p.Err(); err != nil {
			return false, err
		}
		if !created {
			// The address is allocated before the name is looked at, so a second create would not answer AlreadyExists.
			if _, last = kube.CoreV1().Services(dns.Namespace).Create(ctx, dns, metav1.CreateOptions{}); last != nil {
				return false, nil
			}
			created = true
		}
		_, last = kube.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return last == nil, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("furnishing the cluster: %w (last answer: %w)", context.Cause(ctx), last)
	}
	return err
}

// probe asks health endpoints; these are served with certificates made on the fly, so it does not check them.
type probe struct{ client *http.Client }

func newProbe() probe {
	return probe{client: &http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, // a health check on loopback
			DisableKeepAlives: true,
		},
	}}
}

func (p probe) check(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", url, resp.Status, body)
	}
	return nil
}
