package ocisim

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

// sessionPrefix begins the key id of requests that are signed with a session's key.
const sessionPrefix = "ST$"

// sessionOperations exchange another identity for a session: a pod's, at the host of the cluster's API server on port 12250 ("proxymux"), and an
// instance's. None is signed.
func sessionOperations() []operation {
	return []operation{
		{name: "CreateSessionToken", method: http.MethodPost, path: "/resourcePrincipalSessionTokens", handle: createSessionToken, unsigned: true},
	}
}

// createSessionToken answers a pod: its service account's token and the public half of a key of its own for a session token, as a JSON text of base64.
func createSessionToken(s *Simulator, c *call) (*reply, error) {
	account, bearer := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !bearer || !liveToken(account, c.now) {
		return nil, notAuthenticated("the token of a service account is needed")
	}
	if s.state.oke.Type == string(containerengine.ClusterTypeBasicCluster) {
		return nil, &apiError{Status: http.StatusForbidden, Code: "NotAuthorized", Message: "Workload identity is not available in basic clusters"}
	}
	var request struct{ PodKey string }
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	token, err := s.newSession(request.PodKey, c.now)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(map[string]string{"token": sessionPrefix + token})
	if err != nil {
		return nil, fmt.Errorf("encoding a session token: %w", err)
	}
	return ok(base64.StdEncoding.EncodeToString(answer)), nil
}

// newSession gives out a token for the key and trusts the key under it while it is good.
func (s *Simulator) newSession(publicPEM string, now time.Time) (string, error) {
	block, _ := pem.Decode([]byte(publicPEM))
	if block == nil {
		return "", invalid("the session key is not in PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, isRSA := parsed.(*rsa.PublicKey)
	if err != nil || !isRSA {
		return "", invalid("the session key is no RSA key")
	}
	end := now.Add(s.options.SessionLife)
	token, err := unsignedJWT(map[string]any{"iat": now.Unix(), "exp": end.Unix(), "res_tenant": s.world.TenancyID, "jti": uuid.NewString()})
	if err != nil {
		return "", err
	}
	s.keys.put(sessionPrefix+token, trustedKey{public: public, until: end})
	return token, nil
}

// ServiceAccountToken is the token of a pod's service account as far as the simulator looks at it: a JWT that ends at a time.
func ServiceAccountToken(end time.Time) (string, error) {
	return unsignedJWT(map[string]any{"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:karpenter:karpenter-oke", "exp": end.Unix()})
}

// unsignedJWT is a token in the form of a JWT. Nobody but its maker looks at the signature.
func unsignedJWT(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	part := base64.RawURLEncoding.EncodeToString
	return strings.Join([]string{part([]byte(`{"alg":"RS256","typ":"JWT"}`)), part(payload), part([]byte("simulated"))}, "."), nil
}

// liveToken says whether a token is a JWT that has not run out.
func liveToken(token string, now time.Time) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Exp int64 }
	return err == nil && json.Unmarshal(payload, &claims) == nil && now.Unix() < claims.Exp
}
