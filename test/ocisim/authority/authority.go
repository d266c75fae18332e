// Package authority is a small certificate authority for a server that must answer under any host name: it mints a certificate for whatever name a TLS
// client asks for.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	caFile   = "ca.pem"
	keyFile  = "ca-key.pem"
	lifetime = 365 * 24 * time.Hour
)

// Authority mints server certificates. Safe for concurrent use.
type Authority struct {
	// File is the path of the CA's certificate in PEM: what clients have to trust.
	File string

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	leafKey     *ecdsa.PrivateKey // shared by all leaves: they live in one process

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// Open returns the CA kept in the folder; a missing, expired or unreadable one is made anew, a missing folder too.
func Open(dir string) (*Authority, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the CA folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the CA folder: %w", err)
	}
	a := &Authority{File: filepath.Join(dir, caFile), leaves: map[string]*tls.Certificate{}}
	if err := a.load(dir); err != nil {
		if err := a.create(dir); err != nil {
			return nil, err
		}
	}
	if a.leafKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("making a server key: %w", err)
	}
	return a, nil
}

func (a *Authority) load(dir string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, caFile), filepath.Join(dir, keyFile))
	if err != nil {
		return err
	}
	key, isECDSA := pair.PrivateKey.(*ecdsa.PrivateKey)
	certificate, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || !isECDSA || !certificate.IsCA || time.Until(certificate.NotAfter) < 24*time.Hour {
		return fs.ErrInvalid
	}
	a.certificate, a.key = certificate, key
	return nil
}

func (a *Authority) create(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the CA key: %w", err)
	}
	template, err := template("Simulated OCI region CA")
	if err != nil {
		return err
	}
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("making the CA certificate: %w", err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("reading the CA certificate back: %w", err)
	}
	a.key = key
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding the CA key: %w", err)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, keyFile), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600),
		os.WriteFile(a.File, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
	)
}

// TLSConfig is for servers: it answers each client under the name it asks for, and one that names none under the address it reached: clients do not
// send an address as a name.
func (a *Authority) TLSConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := hello.ServerName
		if name == "" {
			name = "127.0.0.1"
			if hello.Conn != nil {
				if host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String()); err == nil {
					name = host
				}
			}
		}
		return a.leaf(name)
	}}
}

func (a *Authority) leaf(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.leaves[name]; ok {
		return known, nil
	}
	template, err := template(name)
	if err != nil {
		return nil, err
	}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &a.leafKey.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for %s: %w", name, err)
	}
	minted := &tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: a.leafKey}
	a.leaves[name] = minted
	return minted, nil
}

func template(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	if len(name) > 64 { // the longest common name X.509 allows
		name = name[:64]
	}
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime)}, nil
}
