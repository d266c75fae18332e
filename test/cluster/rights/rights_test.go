package rights

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
)

const log = `{"user":{"username":"me"},"verb":"list","objectRef":{"resource":"pods"},"responseStatus":{"code":200}}
{"user":{"username":"me"},"verb":"list","objectRef":{"resource":"pods"},"responseStatus":{"code":200}}
{"user":{"username":"me"},"verb":"patch","objectRef":{"resource":"nodeclaims","apiGroup":"karpenter.sh","subresource":"status"},"responseStatus":{"code":409}}
{"user":{"username":"me"},"verb":"delete","objectRef":{"resource":"nodes"},"responseStatus":{"code":403}}
{"user":{"username":"other"},"verb":"delete","objectRef":{"resource":"pods"},"responseStatus":{"code":200}}
{"user":{"username":"me"},"verb":"get","requestURI":"/metrics"}
{"user":{"username":"me"},"verb":"cre`

const roles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: one}
rules:
  - {apiGroups: [""], resources: [pods, nodes], verbs: [list, watch]}
  - {apiGroups: [karpenter.sh], resources: [nodeclaims/status], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: two, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules:
  - {apiGroups: [""], resources: [secrets], verbs: [get]}
`

func TestWhatWasUsedIsComparedWithWhatIsGranted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(log), 0o600))
	used, refused, err := Audited(path, "me")
	require.NoError(t, err)
	require.Equal(t, []string{"pods list", "nodeclaims.karpenter.sh/status patch"}, used)
	require.Equal(t, []string{"nodes delete"}, refused)
	objects, err := cluster.Decode(roles)
	require.NoError(t, err)
	granted, err := Granted(objects)
	require.NoError(t, err)
	require.Equal(t, []string{"pods list", "pods watch", "nodes list", "nodes watch", "nodeclaims.karpenter.sh/status patch"}, granted)
	require.Equal(t, []string{"pods watch", "nodes list"}, Unused(granted, used, map[string]string{"nodes watch": "for another day"}))
	require.NotContains(t, Unused(granted, append(used, "nodes watch"), nil), "nodes list")

	_, _, err = Audited(path, "nobody")
	require.ErrorContains(t, err, "has nothing of nobody")
}
