package oci

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common/auth"
)

// exchangeName is the operation's name in errors and metrics.
const exchangeName = "CreateSessionToken"

// longestAnswer is far beyond the size of a session token.
const longestAnswer = 1 << 20

// fetch exchanges the service account's token for a session. The files are read each time: Kubernetes renews them.
func (w *workloadIdentity) fetch(ctx context.Context) (*session, error) {
	request, client, err := w.request(ctx)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return nil, w.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return nil, w.unreachable(err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusedExchange(response)
	}
	next, err := readSession(body, w.clock.Now())
	if err != nil {
		return nil, &Error{Operation: exchangeName, Class: ClassTransient, Status: response.StatusCode, Code: "BadAnswer", Message: "the answer holds no session token", cause: err}
	}
	return next, nil
}

// request makes the request, and a client that trusts the cluster's CA and no other.
func (w *workloadIdentity) request(ctx context.Context) (*http.Request, *http.Client, error) {
	path := filepath.Join(w.dir, tokenFile)
	token, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, &Error{Operation: exchangeName, Class: ClassNotAuthorized, Code: codeNotSent, cause: err,
			Message: fmt.Sprintf("workload identity needs the token of the pod's service account at %s; is automountServiceAccountToken off?", path)}
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(w.caFile)
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		return nil, nil, &Error{Operation: exchangeName, Class: ClassNotAuthorized, Code: codeNotSent, cause: err,
			Message: fmt.Sprintf("workload identity needs the cluster's CA in PEM at %s (or where %s says)", w.caFile, auth.OciKubernetesServiceAccountCertPath)}
	}
	body, err := json.Marshal(map[string]string{"podKey": w.public})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the session key: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("making the request for a session token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/json")
	return request, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, nil
}

// unreachable is the error of an exchange without an answer.
func (w *workloadIdentity) unreachable(err error) error {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return &Error{Operation: exchangeName, Class: ClassNotAuthorized, cause: err,
			Message: fmt.Sprintf("the certificate of %s can not be trusted with the CA in %s", w.url, w.caFile)}
	}
	return &Error{Operation: exchangeName, Class: ClassTransient, Message: networkMessage(err), cause: err}
}

// refusedExchange says what an answer other than 200 means. The answer's text is left out: it may differ each time.
func refusedExchange(response *http.Response) error {
	failure := &Error{Operation: exchangeName, Status: response.StatusCode, Code: strings.ReplaceAll(http.StatusText(response.StatusCode), " ", ""),
		Class: Classify(response.StatusCode, "", ""), RetryAfter: retryAfter(response), RequestID: response.Header.Get("opc-request-id")}
	switch response.StatusCode {
	case http.StatusForbidden:
		failure.Message = "the cluster gives no workload identity: it has to be an enhanced cluster; upgrade it, or choose another --oci-auth"
	case http.StatusUnauthorized:
		failure.Message = "the cluster does not accept the token of the pod's service account"
	case http.StatusNotFound:
		failure.Class, failure.Message = ClassNotAuthorized, "there is no workload identity at this address; is this an OKE cluster?"
	default:
		failure.Message = "the exchange of tokens failed"
	}
	return failure
}

// readSession reads the answer: a JSON text of base64 of {"token": "ST$<JWT>"}. Times are counted from now by the token's length of
// life, so that a clock that differs from the service's does no harm.
func readSession(body []byte, now time.Time) (*session, error) {
	var text string
	if err := json.Unmarshal(body, &text); err != nil {
		return nil, fmt.Errorf("it is not a JSON text: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("it is not base64: %w", err)
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("it has no token: %w", err)
	}
	token := strings.TrimPrefix(answer.Token, "ST$")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("its token is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, fmt.Errorf("its token's claims are not base64: %w", err)
	}
	var claims struct {
		Issued  float64 `json:"iat"`
		Expires float64 `json:"exp"`
		Tenancy string  `json:"res_tenant"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, fmt.Errorf("its token's claims: %w", err)
	}
	const longest = 24 * 60 * 60 // seconds; more is no session
	if claims.Issued == 0 {
		claims.Issued = float64(now.Unix())
	}
	life := time.Duration(min(claims.Expires-claims.Issued, longest) * float64(time.Second))
	if life <= 0 {
		return nil, errors.New("its token has run out")
	}
	return &session{token: token, tenancy: claims.Tenancy, since: now, renew: now.Add(life / 2), end: now.Add(max(life-expiryMargin, life/2))}, nil
}
