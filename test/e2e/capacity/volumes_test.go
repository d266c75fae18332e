//go:build e2e

package capacity_test

import (
	"fmt"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// boundVolumes are claims on volumes that exist, so that only their number decides which node a pod can go to.
const boundVolumes = `
{{- range .}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: {{.}}}
spec:
  capacity: {storage: 50Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: default, name: {{.}}}
  csi: {driver: blockvolume.csi.oraclecloud.com, volumeHandle: {{.}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{.}}, namespace: default}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  volumeName: {{.}}
  resources: {requests: {storage: 50Gi}}
{{- end}}
`

const mountingPods = `
{{- range $name, $volumes := .}}
---
apiVersion: v1
kind: Pod
metadata: {name: {{$name}}, namespace: default}
spec:
  nodeSelector: {kind: mounted}
  containers:
    - {name: main, image: "example.com/app:1", resources: {requests: {cpu: 100m, memory: 128Mi}}}
  volumes:
    {{- range $volumes}}
    - {name: {{.}}, persistentVolumeClaim: {claimName: {{.}}}}
    {{- end}}
{{- end}}
`

func (s *suite) volumes() {
	key, err := s.Simulator().AddKey("volumes", "")
	require.NoError(s.T, err)
	s.use(kind{Name: "volumes", Requirements: []string{e5, alwaysThere}, Class: fmt.Sprintf(`bootConfig: {bootVolumeSizeInGBs: 100, bootVolumeVpusPerGB: 30, kmsKeyId: %[1]s, isPvEncryptionInTransitEnabled: true}
blockDevices:
  - {sizeInGBs: 60, vpusPerGB: 0, kmsKeyId: %[1]s, isPvEncryptionInTransitEnabled: true}
  - {sizeInGBs: 200, vpusPerGB: 20, mountPath: /var/lib/data}`, key)})
	class := &v1alpha1.OciNodeClass{}
	s.Get(class, "", "volumes")
	require.Equal(s.T, []v1alpha1.KMSKey{{ID: key, Name: "volumes"}}, class.Status.KMSKeys)
	// As many devices as a class can have leave a node 16 places for the volumes of pods, which is too few for two pods of nine.
	s.use(kind{Name: "mounted", Requirements: []string{e5, alwaysThere}, Class: "blockDevices:" + lo.Reduce(lo.Range(16), func(lines string, _, _ int) string { return lines + "\n  - {sizeInGBs: 50}" }, "")})
	names := lo.Times(18, func(n int) string { return fmt.Sprint("mounted-", n) })
	defer s.Remove(boundVolumes, names)
	s.Create(boundVolumes, names)
	s.Eventually("the claims to be bound", func() string {
		list := &corev1.PersistentVolumeClaimList{}
		require.NoError(s.T, s.Client().List(s.Context(), list))
		bound := lo.CountBy(list.Items, func(c corev1.PersistentVolumeClaim) bool { return c.Status.Phase == corev1.ClaimBound })
		return lo.Ternary(bound == len(names), "", fmt.Sprintf("%d are bound", bound))
	})
	s.Create(mountingPods, map[string][]string{"one": names[:9], "other": names[9:]})

	_, first := s.runs(pod{Name: "volumes", Kind: "volumes"})
	s.requireVolumes(first, key)
	s.Eventually("a node for each of two pods, whose volumes one node can not have", func() string {
		return lo.Ternary(len(s.Claims("mounted")) == 2, "", fmt.Sprintf("%d NodeClaims", len(s.Claims("mounted"))))
	})

	// OCI keeps data volumes of an instance that it ends by itself.
	require.NoError(s.T, s.Simulator().TerminateInstance(first.ID))
	s.Eventually("the volumes of an instance that OCI ended to go", func() string { return s.volumesLeft(first.ID) })
	ended := s.Simulator().Instances()
	s.end("volumes", "mounted")
	s.Eventually("the volumes of all instances to go", func() string {
		return s.volumesLeft(lo.Map(ended, func(i ocisim.Instance, _ int) string { return i.ID })...)
	})

	require.NoError(s.T, s.Simulator().SetKeyState(key, "DISABLED"))
	s.make(kind{Name: "locked", Class: "bootConfig: {kmsKeyId: " + key + "}", Requirements: []string{e5}})
	s.refused("locked", v1alpha1.ConditionTypeKMSKeysReady, "volumes", "DISABLED")
	s.end("locked")
}

// requireVolumes holds the volumes of an instance against its class.
func (s *suite) requireVolumes(i ocisim.Instance, key string) {
	s.Helper()
	var have [][]any
	for _, v := range s.Simulator().Volumes() {
		if v.InstanceID == i.ID {
			have = append(have, []any{v.SizeGB, v.VPUsPerGB, v.KMSKeyID})
		}
	}
	require.ElementsMatch(s.T, [][]any{{int64(100), int64(30), key}, {int64(60), int64(0), key}, {int64(200), int64(20), ""}}, have)
	asked := s.asked(i)
	require.True(s.T, *asked.LaunchOptions.IsPvEncryptionInTransitEnabled)
	inTransit := lo.Map(asked.LaunchVolumeAttachments, func(a core.LaunchAttachVolumeDetails, _ int) bool {
		attachment, ok := a.(core.LaunchAttachParavirtualizedVolumeDetails)
		require.True(s.T, ok, "%T", a)
		return lo.FromPtr(attachment.IsPvEncryptionInTransitEnabled)
	})
	require.Equal(s.T, []bool{true, false}, inTransit)
}

// volumesLeft says which volumes of instances are still there.
func (s *suite) volumesLeft(instances ...string) string {
	left := lo.Filter(s.Simulator().Volumes(), func(v ocisim.Volume, _ int) bool { return v.InstanceID == "" || lo.Contains(instances, v.InstanceID) })
	return lo.Ternary(len(left) == 0, "", fmt.Sprint(left))
}
