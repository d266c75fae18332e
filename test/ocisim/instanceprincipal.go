package ocisim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"
)

// MetadataPath is where the metadata of the instance that asks is served, in place of http://169.254.169.254/opc/v2.
const MetadataPath = "/opc/v2"

// instanceIdentity is the certificate that OCI gives each instance. The simulated one is the same for every caller.
type instanceIdentity struct {
	once        sync.Once
	err         error
	certificate []byte // PEM
	der         []byte
	key         []byte // PEM
}

// principalOperations are what an instance principal needs: the instance's own certificate from its metadata, and the exchange of that for a session.
func principalOperations() []operation {
	return []operation{
		{name: "GetMetadataRegion", method: http.MethodGet, path: MetadataPath + "/instance/region", handle: instanceRegion, unsigned: true},
		{name: "GetMetadataCertificate", method: http.MethodGet, path: MetadataPath + "/identity/{file}", handle: instanceCertificate, unsigned: true},
		{name: "CreateInstanceSession", method: http.MethodPost, path: "/v1/x509", handle: createInstanceSession, unsigned: true},
	}
}

// askedAsInstance insists on the header that keeps requests made by accident away from metadata.
func askedAsInstance(c *call) error {
	if c.r.Header.Get("Authorization") != "Bearer Oracle" {
		return &apiError{Status: http.StatusForbidden, Code: "NotAuthorized", Message: "metadata needs the header Authorization: Bearer Oracle"}
	}
	return nil
}

func instanceRegion(s *Simulator, c *call) (*reply, error) {
	if err := askedAsInstance(c); err != nil {
		return nil, err
	}
	return &reply{status: http.StatusOK, raw: []byte(s.world.Region)}, nil
}

func instanceCertificate(s *Simulator, c *call) (*reply, error) {
	if err := askedAsInstance(c); err != nil {
		return nil, err
	}
	identity := &s.principal
	if err := identity.make(s.world.TenancyID, c.now); err != nil {
		return nil, err
	}
	switch c.path("file") {
	case "cert.pem", "intermediate.pem":
		return &reply{status: http.StatusOK, raw: identity.certificate}, nil
	case "key.pem":
		return &reply{status: http.StatusOK, raw: identity.key}, nil
	default:
		return nil, notFound("metadata %s", c.path("file"))
	}
}

// make creates the certificate at the first use: making a key takes a moment.
func (i *instanceIdentity) make(tenancy string, now time.Time) error {
	i.once.Do(func() {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			i.err = fmt.Errorf("making an instance's key: %w", err)
			return
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
			Subject: pkix.Name{CommonName: "ocid1.instance.simulated", OrganizationalUnit: []string{"opc-tenant:" + tenancy, "opc-certtype:instance"}},
		}
		if i.der, i.err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); i.err != nil {
			return
		}
		i.certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.der})
		i.key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	})
	return i.err
}

// createInstanceSession answers an instance: its certificate and the public half of a key of its own for a session token.
func createInstanceSession(s *Simulator, c *call) (*reply, error) {
	var request struct{ Certificate, PublicKey string }
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	certificate, err := base64.StdEncoding.DecodeString(request.Certificate)
	if err != nil || len(certificate) == 0 || string(certificate) != string(s.principal.der) {
		return nil, notAuthenticated("the certificate is none of an instance of this tenancy")
	}
	token, err := s.newSession("-----BEGIN PUBLIC KEY-----\n"+request.PublicKey+"\n-----END PUBLIC KEY-----\n", c.now)
	if err != nil {
		return nil, err
	}
	return ok(map[string]string{"token": token}), nil
}
