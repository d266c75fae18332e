package authority

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCertificatesFitTheNameAskedForAndTheKeptCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	first, err := Open(dir)
	require.NoError(t, err)
	pem, err := os.ReadFile(first.File)
	require.NoError(t, err)
	again, err := Open(dir)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))

	for _, name := range []string{"iaas.us-phoenix-1.oraclecloud.com", "a-very-long-service-name.ap-somewhere-1.oci.customer-oci-domain.com", "127.0.0.1"} {
		hello := &tls.ClientHelloInfo{ServerName: name}
		if name == "127.0.0.1" {
			hello.ServerName = ""
		}
		minted, err := again.TLSConfig().GetCertificate(hello)
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(minted.Certificate[0])
		require.NoError(t, err)
		_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots})
		require.NoError(t, err)
		require.Error(t, leaf.VerifyHostname("other.example.com"))
		once, err := again.TLSConfig().GetCertificate(hello)
		require.NoError(t, err)
		require.Same(t, minted, once)
	}
}

func TestABrokenCAIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, caFile), []byte("garbage"), 0o600))
	a, err := Open(dir)
	require.NoError(t, err)
	_, err = a.TLSConfig().GetCertificate(&tls.ClientHelloInfo{ServerName: "x.oraclecloud.com"})
	require.NoError(t, err)
}

func TestAFolderThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(filepath.Join(file, "ca"))
	require.ErrorContains(t, err, "CA folder")
}
