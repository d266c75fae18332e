package oci

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
)

const (
	serviceProxymux service = "proxymux"
	// serviceAccountDir is where Kubernetes mounts the token of a pod's service account and the API server's CA.
	serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"
	tokenFile         = "token"
	caFile            = "ca.crt"
	sessionKeyBits    = 2048
	// exchangeTimeout bounds one exchange of tokens; it goes on when the call that asked for it ends, since others wait too.
	exchangeTimeout = 20 * time.Second
	// exchangeRest is the least time between two exchanges that failed, whoever asks.
	exchangeRest = time.Second
	// discardAfter is the least age of a session that is given up because OCI did not accept it.
	discardAfter = time.Minute
	// expiryMargin is how long before its end a session is no longer used: a request may be on its way for that long.
	expiryMargin = 30 * time.Second
)

// workloadIdentity is the credentials of the pod's service account in an enhanced OKE cluster. The API server's host exchanges the
// account's token for a session (POST https://KUBERNETES_SERVICE_HOST:12250/resourcePrincipalSessionTokens).
//
// The SDK has such a provider too. This one keeps to contexts and holds no lock while it waits for the network, renews a session
// at half its life while calls go on with the old one, survives any answer, and never puts the pod's token into an error.
type workloadIdentity struct {
	clock    clock.Clock
	region   string
	url      string // of the exchange
	dir      string // of the service account's files
	caFile   string
	key      *rsa.PrivateKey // signs requests; one for the process, so that a key always fits the session
	public   string          // its public half in PEM
	exchange singleflight.Group
	session  atomic.Pointer[session]
	failure  atomic.Pointer[exchangeFailure]
}

// session is what a token was exchanged for. It is immutable.
type session struct {
	token   string
	tenancy string
	since   time.Time // when it was fetched
	renew   time.Time // when to fetch the next one
	end     time.Time // when it is no longer used
}

type exchangeFailure struct {
	err error
	at  time.Time
}

var _ common.ConfigurationProvider = (*workloadIdentity)(nil)

// newWorkloadIdentity reads the pod's environment. It sends nothing.
func newWorkloadIdentity(cfg Config, clk clock.Clock) (*workloadIdentity, error) {
	host := os.Getenv(auth.KubernetesServiceHostEnvVar)
	if host == "" {
		return nil, fmt.Errorf("--oci-auth %s works in a pod of an enhanced OKE cluster only: %s is not set", AuthWorkloadIdentity, auth.KubernetesServiceHostEnvVar)
	}
	w := &workloadIdentity{
		clock: clk, region: cfg.Region, dir: cfg.ServiceAccountDir,
		url: "https://" + net.JoinHostPort(host, auth.KubernetesProxymuxServicePort) + "/resourcePrincipalSessionTokens",
	}
	if w.region == "" {
		w.region = os.Getenv(auth.ResourcePrincipalRegionEnvVar)
	}
	if w.dir == "" {
		w.dir = serviceAccountDir
	}
	if w.caFile = os.Getenv(auth.OciKubernetesServiceAccountCertPath); w.caFile == "" {
		w.caFile = filepath.Join(w.dir, caFile)
	}
	var err error
	if w.key, err = rsa.GenerateKey(rand.Reader, sessionKeyBits); err != nil {
		return nil, fmt.Errorf("making a session key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding the session key: %w", err)
	}
	w.public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return w, nil
}

// ensure makes sure that there is a session to sign with. It waits only when there is none that is still good, and no longer than ctx.
func (w *workloadIdentity) ensure(ctx context.Context) error {
	now, current := w.clock.Now(), w.session.Load()
	if current != nil && now.Before(current.renew) {
		return nil
	}
	usable := current != nil && now.Before(current.end)
	if last := w.failure.Load(); last != nil && now.Sub(last.at) < exchangeRest {
		if usable {
			return nil
		}
		return last.err
	}
	done := w.exchange.DoChan("", func() (any, error) { return nil, w.renew() })
	if usable {
		return nil
	}
	select {
	case result := <-done:
		return result.Err
	case <-ctx.Done():
		return &Error{Operation: exchangeName, Class: ClassTransient, Message: networkMessage(ctx.Err()), cause: ctx.Err()}
	}
}

// renew fetches a session. One caller at a time.
func (w *workloadIdentity) renew() error {
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	start := w.clock.Now()
	next, err := w.fetch(ctx)
	code := "none"
	var failure *Error
	switch {
	case err == nil:
		code = "200"
	case errors.As(err, &failure) && failure.Status != 0:
		code = fmt.Sprint(failure.Status)
	}
	observe(operation{service: serviceProxymux, name: exchangeName, write: true}, w.clock.Since(start), code)
	if err != nil {
		w.failure.Store(&exchangeFailure{err: err, at: w.clock.Now()})
		return err
	}
	w.failure.Store(nil)
	w.session.Store(next)
	return nil
}

// discard implements sessionKeeper. A session that is new is kept: OCI refuses something else then, and another exchange for each
// call would not help.
func (w *workloadIdentity) discard() bool {
	current := w.session.Load()
	if current == nil || w.clock.Since(current.since) < discardAfter {
		return false
	}
	return w.session.CompareAndSwap(current, nil)
}

// KeyID implements common.ConfigurationProvider. It is empty before the first ensure; the SDK asks for it when a client is made.
func (w *workloadIdentity) KeyID() (string, error) {
	if current := w.session.Load(); current != nil {
		return "ST$" + current.token, nil
	}
	return "", nil
}

// PrivateRSAKey implements common.ConfigurationProvider.
func (w *workloadIdentity) PrivateRSAKey() (*rsa.PrivateKey, error) { return w.key, nil }

// TenancyOCID implements common.ConfigurationProvider. It is empty before the first ensure.
func (w *workloadIdentity) TenancyOCID() (string, error) {
	if current := w.session.Load(); current != nil {
		return current.tenancy, nil
	}
	return "", nil
}

// UserOCID implements common.ConfigurationProvider: a workload has none.
func (w *workloadIdentity) UserOCID() (string, error) { return "", nil }

// KeyFingerprint implements common.ConfigurationProvider: the session stands for it.
func (w *workloadIdentity) KeyFingerprint() (string, error) { return "", nil }

// Region implements common.ConfigurationProvider.
func (w *workloadIdentity) Region() (string, error) {
	if w.region == "" {
		return "", errors.New("workload identity does not know its region; set --oci-region")
	}
	return w.region, nil
}

// AuthType implements common.ConfigurationProvider.
func (w *workloadIdentity) AuthType() (common.AuthConfig, error) {
	return common.AuthConfig{AuthType: common.UnknownAuthenticationType}, nil
}
