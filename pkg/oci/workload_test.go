package oci

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common/auth"
	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// pod is a pod of an OKE cluster: a simulated region that serves the exchange of tokens over TLS on its port of the API server's
// host, and the files of a service account.
type pod struct {
	*ocisim.Server
	t      *testing.T
	dir    string
	client *Client
	keeper *workloadIdentity
}

func newPod(t *testing.T, options ocisim.Options, clk clock.Clock) *pod {
	t.Helper()
	dir := t.TempDir()
	options.VerifySignatures, options.Clock, options.TLS = true, clk, &ocisim.TLSOptions{Dir: t.TempDir()}
	p := &pod{t: t, dir: dir}
	var host string
	for range 50 { // the port is fixed, so the address is made up: all of 127.0.0.0/8 is this machine
		var err error
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(250), rand.N(250), 1+rand.N(250))
		if p.Server, err = ocisim.Start(t.Context(), options, host+":"+auth.KubernetesProxymuxServicePort); err == nil {
			break
		}
	}
	require.NotNil(t, p.Server, "no address is free")
	t.Cleanup(func() { _ = p.Close() })
	ca, err := os.ReadFile(p.CAFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, caFile), ca, 0o600))
	p.account(clk.Now().Add(time.Hour))
	t.Setenv(auth.KubernetesServiceHostEnvVar, host)
	t.Setenv("OCI_DEFAULT_CERTS_PATH", p.CAFile)
	p.client, err = New(Config{Auth: AuthWorkloadIdentity, Region: p.World().Region, Endpoint: p.URL, ServiceAccountDir: dir}, clk)
	require.NoError(t, err)
	p.keeper = p.client.session.(*workloadIdentity)
	return p
}

// account writes the service account's token.
func (p *pod) account(end time.Time) {
	p.t.Helper()
	token, err := ocisim.ServiceAccountToken(end)
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, tokenFile), []byte(token+"\n"), 0o600))
}

func (p *pod) ask() error {
	_, err := p.client.GetCluster(p.t.Context(), p.World().ClusterID)
	return err
}

func (p *pod) exchanges() int { return p.Journal().Counts()[exchangeName] }

func TestAPodGetsASessionAndSignsWithIt(t *testing.T) {
	p := newPod(t, ocisim.Options{}, clock.RealClock{})
	require.Zero(t, p.exchanges(), "making the client sends nothing")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { require.NoError(t, p.ask()) })
	}
	wg.Wait()
	require.Equal(t, 1, p.exchanges(), "twenty calls at once wait for one exchange")
	require.Equal(t, 20, p.Journal().Counts()["GetCluster"])
	tenancy, err := p.keeper.TenancyOCID()
	require.NoError(t, err)
	require.Equal(t, p.World().TenancyID, tenancy)
}

func TestASessionIsRenewedAtHalfItsLife(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	p := newPod(t, ocisim.Options{SessionLife: time.Hour}, clk)
	require.NoError(t, p.ask())
	clk.Step(29 * time.Minute)
	require.NoError(t, p.keeper.ensure(t.Context()))
	require.Equal(t, 1, p.exchanges())

	clk.Step(2 * time.Minute)
	p.account(clk.Now().Add(time.Hour)) // Kubernetes renews the file
	first := p.keeper.session.Load()
	require.NoError(t, p.keeper.ensure(t.Context()))
	require.Eventually(t, func() bool { return p.keeper.session.Load() != first }, patience, time.Millisecond, "in the background, while calls go on")
	require.Equal(t, 2, p.exchanges())
}

func TestAnOldSessionServesUntilItsEndWhileNoNewOneIsGiven(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	p := newPod(t, ocisim.Options{SessionLife: time.Hour}, clk)
	require.NoError(t, p.keeper.ensure(t.Context()))
	_, err := p.Faults().Add(ocisim.Fault{Operation: exchangeName, Kind: ocisim.ErrorAnswer, Status: 503, Code: "ServiceUnavailable", Message: "x"})
	require.NoError(t, err)
	clk.Step(40 * time.Minute)
	p.account(clk.Now().Add(time.Hour))
	require.NoError(t, p.keeper.ensure(t.Context()))
	require.Eventually(t, func() bool { return p.keeper.failure.Load() != nil }, patience, time.Millisecond)
	for range 100 {
		require.NoError(t, p.keeper.ensure(t.Context()))
	}
	require.Equal(t, 2, p.exchanges(), "a failure is not followed by a storm")

	clk.Step(20 * time.Minute)
	require.Equal(t, ClassTransient, ClassOf(p.keeper.ensure(t.Context())))
	p.Faults().Clear()
	clk.Step(exchangeRest)
	require.NoError(t, p.keeper.ensure(t.Context()))
}

func TestASessionThatOCIRevokedIsFetchedAnew(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	p := newPod(t, ocisim.Options{}, clk)
	require.NoError(t, p.ask())
	p.RevokeSessions()
	require.Equal(t, ClassNotAuthorized, ClassOf(p.ask()), "a session that is new is not blamed")
	require.Equal(t, 1, p.exchanges())
	clk.Step(discardAfter)
	require.NoError(t, p.ask())
	require.Equal(t, 2, p.exchanges())
}

func TestWhatIsInTheWayOfWorkloadIdentityIsSaid(t *testing.T) {
	for says, tc := range map[string]struct {
		spoil func(p *pod)
		class Class
		want  string
	}{
		"a basic cluster": {func(p *pod) { p.SetCluster(func(c *ocisim.ClusterState) { c.Type = "BASIC_CLUSTER" }) }, ClassNotAuthorized,
			"403 Forbidden: the cluster gives no workload identity: it has to be an enhanced cluster"},
		"no token in the pod": {func(p *pod) { require.NoError(p.t, os.Remove(filepath.Join(p.dir, tokenFile))) }, ClassNotAuthorized,
			"is automountServiceAccountToken off?"},
		"a token that has run out": {func(p *pod) { p.account(time.Now().Add(-time.Minute)) }, ClassNotAuthorized,
			"401 Unauthorized: the cluster does not accept the token of the pod's service account"},
		"no CA in the pod": {func(p *pod) { require.NoError(p.t, os.Remove(filepath.Join(p.dir, caFile))) }, ClassNotAuthorized,
			"workload identity needs the cluster's CA in PEM at"},
		"a CA that is none": {func(p *pod) { require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, caFile), []byte("x"), 0o600)) }, ClassNotAuthorized,
			"workload identity needs the cluster's CA in PEM at"},
		"another cluster's CA": {func(p *pod) {
			other, err := ocisim.Start(p.t.Context(), ocisim.Options{TLS: &ocisim.TLSOptions{Dir: p.t.TempDir()}}, "127.0.0.1:0")
			require.NoError(p.t, err)
			p.t.Cleanup(func() { _ = other.Close() })
			ca, err := os.ReadFile(other.CAFile)
			require.NoError(p.t, err)
			require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, caFile), ca, 0o600))
		}, ClassNotAuthorized, "can not be trusted with the CA in"},
		"nobody there": {func(p *pod) { require.NoError(p.t, p.Close()) }, ClassTransient, "cannot connect to 127."},
		"an exchange that fails": {func(p *pod) {
			_, err := p.Faults().Add(ocisim.Fault{Operation: exchangeName, Kind: ocisim.ErrorAnswer, Status: 500, Code: "x", Message: "x"})
			require.NoError(p.t, err)
		}, ClassTransient, "500 InternalServerError: the exchange of tokens failed"},
	} {
		t.Run(says, func(t *testing.T) {
			p := newPod(t, ocisim.Options{}, clock.RealClock{})
			tc.spoil(p)
			err := p.keeper.ensure(t.Context())
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, tc.class, ClassOf(err))
			secret, _ := os.ReadFile(filepath.Join(p.dir, tokenFile))
			if len(secret) > 0 {
				require.NotContains(t, fmt.Sprintf("%+v", err), string(secret[:40]), "the token stays in the pod")
			}
		})
	}
}

func TestACallDoesNotWaitForAnExchangeLongerThanItsContext(t *testing.T) {
	p := newPod(t, ocisim.Options{}, clock.RealClock{})
	_, err := p.Faults().Add(ocisim.Fault{Operation: exchangeName, Kind: ocisim.Latency, Delay: time.Hour})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = p.client.GetCluster(ctx, p.World().ClusterID)
	require.Equal(t, ClassTransient, ClassOf(err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestOutsideAClusterWorkloadIdentitySaysSo(t *testing.T) {
	t.Setenv(auth.KubernetesServiceHostEnvVar, "")
	_, err := New(Config{Auth: AuthWorkloadIdentity, Region: "us-phoenix-1"}, clock.RealClock{})
	require.ErrorContains(t, err, "works in a pod of an enhanced OKE cluster only: KUBERNETES_SERVICE_HOST is not set")
}

func FuzzReadSession(f *testing.F) {
	good, err := ocisim.ServiceAccountToken(time.Unix(5000, 0))
	require.NoError(f, err)
	quoted := func(text string) []byte { return []byte(`"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"`) }
	f.Add(quoted(`{"token":"ST$` + good + `"}`))
	for _, seed := range []string{``, `"`, `""`, `{}`, `"%"`, string(quoted(``)), string(quoted(`{"token":"ST$a.b.c"}`)), http.StatusText(http.StatusOK)} {
		f.Add([]byte(seed))
	}
	now := time.Unix(1000, 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readSession(body, now)
		require.Equal(t, err == nil, got != nil)
		if got != nil {
			require.NotEmpty(t, got.token)
			require.True(t, got.renew.After(now), "a session that is due at once would be fetched for ever")
			require.False(t, got.end.Before(got.renew))
		}
	})
}
