package bootstrap

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// FuzzMetadata holds that any strings in any field give metadata that OCI takes, or an error that quotes no script, user data, key
// or metadata value.
func FuzzMetadata(f *testing.F) {
	mime := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/x-shellscript\n\n#!/bin/sh\nconfidential\n--B--\n"
	f.Add(uint8(0), "#!/bin/sh\nconfidential", "confidential", "a.example/b", "c", "--v=2", "10.96.5.5", "ssh-ed25519 A")
	f.Add(uint8(1), mime, "it's", "a", "", "--x", "", "")
	f.Add(uint8(2), mime, "", "a", "", "", "fd00::1", "k")
	f.Add(uint8(0), strings.Replace(mime, "--B--", "", 1), "", "", "", "", "", "")
	f.Add(uint8(0), "Content-Type: text/plain; a=\"\nconfidential\n\n", "", "", "", "", "", "")
	f.Add(uint8(1), "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: multipart/mixed; boundary=B\n\n--B--\n--B--\n", "\x00", "-", "a b", "--a b", "$", "\n")
	f.Add(uint8(0), strings.Repeat("confidential", 9000), "", "", "", "", "", "")
	families := []v1alpha1.ImageFamily{v1alpha1.ImageFamilyOracleOKELinux, v1alpha1.ImageFamilyUbuntu, v1alpha1.ImageFamilyCustom}
	f.Fuzz(func(t *testing.T, family uint8, userData, script, key, value, arg, dns, secret string) {
		node := Node{
			Family: families[int(family)%len(families)], Endpoint: dns, CABundle: []byte(secret), DNSIP: dns, UserData: userData, PreInstall: script, PostInstall: script,
			Labels: map[string]string{key: value}, Taints: []corev1.Taint{{Key: key, Value: value, Effect: corev1.TaintEffectNoSchedule}}, Kubelet: &v1alpha1.KubeletConfiguration{ExtraArgs: []string{arg}},
			SSHAuthorizedKeys: []string{secret}, Metadata: map[string]string{"own": secret},
		}
		metadata, err := Metadata(node)
		if err != nil {
			var large *TooLargeError
			require.Equal(t, errors.As(err, &large), strings.Contains(err.Error(), "OCI allows"))
			for line := range strings.SplitSeq(strings.Join([]string{userData, script, secret}, "\n"), "\n") {
				// What is in the names of labels, taints and flags may be in an error.
				if len(line) > 11 && !strings.Contains(key+arg, line) {
					require.NotContains(t, err.Error(), line)
				}
			}
			return
		}
		require.LessOrEqual(t, size(metadata), MaxMetadataBytes)
		again, err := Metadata(node)
		require.NoError(t, err)
		require.Equal(t, metadata, again)
		if data, ok := metadata["user_data"]; ok {
			_, err := base64.StdEncoding.DecodeString(data)
			require.NoError(t, err)
		}
		require.True(t, utf8.ValidString(userData+script))
	})
}
