package options

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
)

// authority is a certificate that signs nothing.
const authority = `-----BEGIN CERTIFICATE-----
MIIBcTCCARegAwIBAgIUfiSpjVGKcKewnOskvwZIvuPMR5UwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTIyMDgyNTA2WhgPMjEyNjEwMjkwODI1MDZa
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4NPVhqlc
Bo66PYs2bJoOe0y2aac9XhZ9+lHcJN49EBLgRdiRVL4baSA/O1aDXefsvVfWEbGq
tEOkFo+IWnVaNaNTMFEwHQYDVR0OBBYEFJdYVkE6jybJpRyyA9GAwegtnOAkMB8G
A1UdIwQYMBaAFJdYVkE6jybJpRyyA9GAwegtnOAkMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSAAwRQIhAMGtTe9X4BUucdeqRv/2bHlkvRdtbujOTFeP9n1T
RdgRAiB8yk66Q0/7lw8Wi7q66ZQSASHbj7SuGrqUhQingQXKlg==
-----END CERTIFICATE-----
`

func TestFactsOfTheClusterHaveSettings(t *testing.T) {
	o, err := parse(required...)
	require.NoError(t, err)
	require.Empty(t, o.ClusterCABundle)
	require.Nil(t, o.ClusterVersion)
	require.Empty(t, o.ClusterPodNetwork, "they are found by the cluster's OCID")

	o, err = parse(append(required, "--cluster-version", "v1.34.1", "--cluster-pod-network", "Flannel",
		"--cluster-ca-bundle", base64.StdEncoding.EncodeToString([]byte(authority)))...)
	require.NoError(t, err)
	require.Equal(t, "1.34.1", o.ClusterVersion.String())
	require.Equal(t, cluster.Flannel, o.ClusterPodNetwork)
	require.Equal(t, authority, string(o.ClusterCABundle))
}

func TestMistakesInFactsOfTheClusterAreNamedTogether(t *testing.T) {
	_, err := parse(append(required, "--cluster-version", "latest", "--cluster-pod-network", "Calico", "--cluster-ca-bundle", "cGxhaW4=")...)
	require.ErrorContains(t, err, `--cluster-version "latest" is not a version`)
	require.ErrorContains(t, err, `--cluster-pod-network "Calico" is neither Flannel nor VCNNative`)
	require.ErrorContains(t, err, "--cluster-ca-bundle is not base64 of certificates in PEM")
}
