package oci_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// person is somebody with a key and an OCI configuration file, in a region that checks every signature.
type person struct {
	*ocisim.Server
	t          *testing.T
	dir        string
	configFile string
	key        *rsa.PrivateKey
}

func newPerson(t *testing.T) *person {
	t.Helper()
	server, err := ocisim.Start(t.Context(), ocisim.Options{VerifySignatures: true}, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	dir := t.TempDir()
	p := &person{Server: server, t: t, dir: dir, configFile: filepath.Join(dir, "config")}
	p.key, err = rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(p.key)})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"), text, 0o600))
	require.NoError(t, os.WriteFile(p.configFile, fmt.Appendf(nil, `[DEFAULT]
user=ocid1.user.oc1..somebody
fingerprint=11:22
tenancy=%[1]s
region=%[2]s
key_file=%[3]s/key.pem
[SESSION]
fingerprint=11:22
tenancy=%[1]s
region=%[2]s
key_file=%[3]s/key.pem
security_token_file=%[3]s/token
`, server.World().TenancyID, server.World().Region, dir), 0o600))
	return p
}

// token writes a session token that the region accepts with the person's key, as `oci session authenticate` and `refresh` do.
func (p *person) token() {
	p.t.Helper()
	token, err := ocisim.ServiceAccountToken(time.Now().Add(time.Hour).Add(time.Duration(time.Now().UnixNano() % 1e9)))
	require.NoError(p.t, err)
	p.Trust("ST$"+token, &p.key.PublicKey)
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, "token"), []byte(token), 0o600))
}

func (p *person) client(auth oci.AuthMethod, profile string) (*oci.Client, error) {
	return oci.New(oci.Config{Auth: auth, ConfigFile: p.configFile, ConfigProfile: profile, Endpoint: p.URL}, clock.RealClock{})
}

func (p *person) ask(c *oci.Client) error {
	_, err := c.GetCluster(p.t.Context(), p.World().ClusterID)
	return err
}

func TestAnAPIKeyOfAConfigurationFileSignsCalls(t *testing.T) {
	p := newPerson(t)
	client, err := p.client(oci.AuthAPIKey, "DEFAULT")
	require.NoError(t, err)
	require.Equal(t, p.World().Region, client.Region(), "the file's, where no setting says another")
	require.Equal(t, oci.ClassNotAuthorized, oci.ClassOf(p.ask(client)), "OCI does not know the key yet")
	p.Trust(p.World().TenancyID+"/ocid1.user.oc1..somebody/11:22", &p.key.PublicKey)
	require.NoError(t, p.ask(client))
}

func TestASessionTokenSignsCallsAndIsReadAgainWhenItWasRefreshed(t *testing.T) {
	p := newPerson(t)
	p.token()
	client, err := p.client(oci.AuthSessionToken, "SESSION")
	require.NoError(t, err)
	require.NoError(t, p.ask(client))
	p.RevokeSessions()
	require.Equal(t, oci.ClassNotAuthorized, oci.ClassOf(p.ask(client)))
	p.token()
	require.NoError(t, p.ask(client), "a person has refreshed the session; the controller goes on without a restart")
}

func TestWhatIsWrongWithAConfigurationFileIsSaid(t *testing.T) {
	for says, tc := range map[string]struct {
		auth          oci.AuthMethod
		profile, want string
		spoil         func(p *person) error
	}{
		"a profile that is not there": {oci.AuthAPIKey, "NOBODY", "NOBODY", func(*person) error { return nil }},
		"a key that is not there":     {oci.AuthAPIKey, "DEFAULT", "key.pem", func(p *person) error { return os.Remove(filepath.Join(p.dir, "key.pem")) }},
		"no file":                     {oci.AuthSessionToken, "SESSION", "--oci-config-file", func(p *person) error { return os.Remove(p.configFile) }},
	} {
		t.Run(says, func(t *testing.T) {
			p := newPerson(t)
			require.NoError(t, tc.spoil(p))
			client, err := p.client(tc.auth, tc.profile)
			if err == nil {
				err = p.ask(client)
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestAnInstanceSignsWithTheSessionOfItsCertificate(t *testing.T) {
	p := newPerson(t)
	t.Setenv("OCI_METADATA_BASE_URL", p.URL+ocisim.MetadataPath)
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", p.URL)
	client, err := p.client(oci.AuthInstancePrincipal, "")
	require.NoError(t, err)
	require.Equal(t, p.World().Region, client.Region(), "the one that the instance is in")
	for range 3 {
		require.NoError(t, p.ask(client))
	}
	require.Equal(t, 1, p.Journal().Counts()["CreateInstanceSession"], "one exchange serves many calls")
	tenancy, err := client.Tenancy()
	require.NoError(t, err)
	require.NoError(t, tenancy.ProbeLimits(t.Context()), "the tenancy is the certificate's")
}
