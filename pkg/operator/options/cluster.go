package options

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
)

// parseCluster reads what replaces the facts that are found by the cluster's OCID; it names every mistake.
func (o *Options) parseCluster() error {
	var errs []error
	if o.clusterCABundle != "" {
		ca, err := base64.StdEncoding.DecodeString(o.clusterCABundle)
		if err != nil || !x509.NewCertPool().AppendCertsFromPEM(ca) {
			errs = append(errs, errors.New("--cluster-ca-bundle is not base64 of certificates in PEM, such as a kubeconfig's certificate-authority-data"))
		}
		o.ClusterCABundle = ca
	}
	if o.clusterVersion != "" {
		v, err := version.ParseGeneric(o.clusterVersion)
		if err != nil {
			errs = append(errs, fmt.Errorf("--cluster-version %q is not a version such as v1.34.1: %w", o.clusterVersion, err))
		}
		o.ClusterVersion = v
	}
	switch o.ClusterPodNetwork = cluster.PodNetwork(o.clusterPodNetwork); o.ClusterPodNetwork {
	case "", cluster.Flannel, cluster.VCNNative:
	default:
		errs = append(errs, fmt.Errorf("--cluster-pod-network %q is neither %s nor %s", o.clusterPodNetwork, cluster.Flannel, cluster.VCNNative))
	}
	return errors.Join(errs...)
}
