package ocisim

import (
	"crypto/md5" // OCI defines the fingerprint of a key as an MD5 sum
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// keyBits is the size of generated signing keys, the least OCI accepts.
const keyBits = 2048

// ConfigurationProvider returns credentials for Go clients of this region, with a new key that the simulator trusts from then on.
func (s *Simulator) ConfigurationProvider() (common.ConfigurationProvider, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	finger, err := fingerprint(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	w := s.world
	s.Trust(keyID(w, finger), &key.PublicKey)
	return common.NewRawConfigurationProvider(w.TenancyID, w.UserID, w.Region, finger, string(pemKey(key)), nil), nil
}

// WriteSDKConfig writes an OCI configuration file (profile DEFAULT) and a new private key into the folder, which is made when missing, and returns the
// configuration file's path. A simulator that verifies signatures has to be told of the key: use Simulator.WriteConfig for that.
func WriteSDKConfig(dir string, w World) (path string, err error) {
	path, _, _, err = writeSDKConfig(dir, w)
	return path, err
}

// WriteConfig is WriteSDKConfig for this region, and trusts the new key.
func (s *Simulator) WriteConfig(dir string) (path string, err error) {
	path, id, key, err := writeSDKConfig(dir, s.world)
	if err == nil {
		s.Trust(id, key)
	}
	return path, err
}

func writeSDKConfig(dir string, w World) (path, id string, public *rsa.PublicKey, err error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return "", "", nil, fmt.Errorf("making a signing key: %w", err)
	}
	finger, err := fingerprint(&key.PublicKey)
	if err != nil {
		return "", "", nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", "", nil, fmt.Errorf("finding folder %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", nil, fmt.Errorf("making the configuration folder: %w", err)
	}
	keyFile := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(keyFile, pemKey(key), 0o600); err != nil {
		return "", "", nil, fmt.Errorf("writing the signing key: %w", err)
	}
	path = filepath.Join(dir, "config")
	text := fmt.Sprintf("[DEFAULT]\nuser=%s\nfingerprint=%s\ntenancy=%s\nregion=%s\nkey_file=%s\n", w.UserID, finger, w.TenancyID, w.Region, keyFile)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", "", nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return path, keyID(w, finger), &key.PublicKey, nil
}

func keyID(w World, fingerprint string) string {
	return strings.Join([]string{w.TenancyID, w.UserID, fingerprint}, "/")
}

func pemKey(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// fingerprint is the MD5 sum of the public key as OCI's console shows it: aa:bb:...
func fingerprint(key *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding the public key: %w", err)
	}
	sum := md5.Sum(der)
	digits := hex.EncodeToString(sum[:])
	pairs := make([]string, 0, len(sum))
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":"), nil
}
