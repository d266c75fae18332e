package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	coreoperator "sigs.k8s.io/karpenter/pkg/operator"

	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/refresh"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/operator/options"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
)

// startMargin is how much longer than its first reads' setting the whole start may take.
const startMargin = time.Minute

// firstReads proves credentials, network and the rights to read before anything else happens. What may go away by itself is tried again
// within the limit.
func (o *Operator) firstReads(ctx context.Context, limit time.Duration) error {
	if err := refresh.First(ctx, o.Clock, limit, "cluster", o.Cluster.Refresh); err != nil {
		return startError(err, "read clusters", "--cluster-id")
	}
	if err := refresh.First(ctx, o.Clock, limit, "shapes", o.Shapes.Refresh); err != nil {
		return startError(err, "inspect instances and compartments", "--compartment-id")
	}
	return nil
}

// startError adds to a failed first read what a person can do about it.
func startError(err error, right, flagName string) error {
	switch oci.ClassOf(err) {
	case oci.ClassTransient:
		return fmt.Errorf("OCI can not be reached; check the network, --oci-region and --oci-endpoint: %w", err)
	case oci.ClassNotAuthorized:
		return fmt.Errorf("OCI refuses the controller's credentials; check --oci-auth: %w", err)
	case oci.ClassNotFound:
		return fmt.Errorf("check %s and that the controller's policy allows to %s: %w", flagName, right, err)
	default:
		return err
	}
}

// discover finds on the cluster what nodes are given, where the options do not say.
func discover(ctx context.Context, core *coreoperator.Operator, opts *options.Options) (cluster.Overrides, error) {
	ca := opts.ClusterCABundle
	if len(ca) == 0 {
		var err error
		if ca, err = caBundle(core.GetConfig()); err != nil {
			return cluster.Overrides{}, err
		}
	}
	dns := opts.ClusterDNSIP
	if dns == "" {
		service, err := core.KubernetesInterface.CoreV1().Services(metav1.NamespaceSystem).Get(ctx, "kube-dns", metav1.GetOptions{})
		switch {
		case err == nil && service.Spec.ClusterIP != corev1.ClusterIPNone:
			dns = service.Spec.ClusterIP
		case err != nil && !apierrors.IsNotFound(err):
			return cluster.Overrides{}, fmt.Errorf("reading the service kube-system/kube-dns (or set --cluster-dns-ip): %w", err)
		}
	}
	return cluster.Overrides{Endpoint: opts.ClusterEndpoint, DNSIP: dns, CABundle: ca, Version: opts.ClusterVersion, Pods: opts.ClusterPodNetwork}, nil
}

// caBundle is what nodes check the API server's certificate against: the same that the controller does.
func caBundle(config *rest.Config) ([]byte, error) {
	if len(config.CAData) > 0 {
		return config.CAData, nil
	}
	if config.CAFile == "" {
		return nil, errors.New("the kubeconfig names no certificate authority, so nodes could not trust the API server (or set --cluster-ca-bundle)")
	}
	ca, err := os.ReadFile(config.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's certificate authority: %w", err)
	}
	return ca, nil
}
