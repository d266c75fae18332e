package virtualnode

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func storageClass(name, provisioner string) *storagev1.StorageClass {
	return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner}
}

func volumeClaim(name, class, volume string) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	c.Spec.VolumeName = volume
	if class != "" {
		c.Spec.StorageClassName = ptr.To(class)
	}
	return c
}

func csiVolume(name, driver, claim string) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
	v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: claim}
	if driver != "" {
		v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: driver}
	}
	return v
}

func TestClaimsOfFileStorageAreToldFromOthers(t *testing.T) {
	fss, block := storageClass("fss", fileStorageDriver), storageClass("oci-bv", "blockvolume.csi.oraclecloud.com")
	for name, test := range map[string]struct {
		claim   *corev1.PersistentVolumeClaim
		objects []client.Object
		want    bool
	}{
		"by its class before it is bound":        {volumeClaim("c", "fss", ""), []client.Object{fss}, true},
		"by its volume":                          {volumeClaim("c", "", "v"), []client.Object{csiVolume("v", fileStorageDriver, "c")}, true},
		"the volume counts before the class":     {volumeClaim("c", "fss", "v"), []client.Object{fss, csiVolume("v", "blockvolume.csi.oraclecloud.com", "c")}, false},
		"not block storage":                      {volumeClaim("c", "oci-bv", ""), []client.Object{block}, false},
		"not a volume without CSI":               {volumeClaim("c", "fss", "v"), []client.Object{fss, csiVolume("v", "", "c")}, false},
		"not a class that does not exist":        {volumeClaim("c", "gone", ""), nil, false},
		"not a volume that does not exist (yet)": {volumeClaim("c", "fss", "gone"), []client.Object{fss}, false},
		"not a claim that names nothing":         {volumeClaim("c", "", ""), []client.Object{fss}, false},
	} {
		t.Run(name, func(t *testing.T) {
			api := fakeAPI(append(test.objects, test.claim)...).Build()
			key := client.ObjectKeyFromObject(test.claim)

			first := NewIndex(DefaultConfig(), testClock())
			require.NoError(t, first.Ensure(t.Context(), api))
			_, known := first.Snapshot().fileStorage[key]
			require.Equal(t, test.want, known, "by the first read")

			later := NewIndex(DefaultConfig(), testClock())
			later.filled.Store(true)
			c := &claimController{index: later, reader: api}
			_, err := c.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
			require.NoError(t, err)
			_, known = later.Snapshot().fileStorage[key]
			require.Equal(t, test.want, known, "by the controller")

			require.NoError(t, api.Delete(t.Context(), test.claim))
			_, err = c.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
			require.NoError(t, err)
			require.Empty(t, later.Snapshot().fileStorage)
		})
	}
}

func TestClaimsAreLookedAtWhenTheirVolumeOrClassChanges(t *testing.T) {
	api := fakeAPI(volumeClaim("a", "fss", ""), volumeClaim("b", "oci-bv", ""), volumeClaim("c", "", "")).Build()
	c := &claimController{reader: api}
	want := []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: "default", Name: "a"}}}
	require.Equal(t, want, c.claimsOfClass(t.Context(), storageClass("fss", fileStorageDriver)))
	require.Equal(t, want, claimOfVolume(t.Context(), csiVolume("v", fileStorageDriver, "a")))
	require.Empty(t, claimOfVolume(t.Context(), &corev1.PersistentVolume{}))
}

func TestOnlyAClaimThatTurnsWakesPods(t *testing.T) {
	f := testFilter(DefaultConfig(), testClock())
	turns := 0
	f.index.OnChange(func() { turns++ })
	before := f.index.Snapshot()
	f.index.setClaim(client.ObjectKey{Namespace: "default", Name: "block"}, false)
	f.index.setClaim(sharedClaim, true)
	require.Zero(t, turns)
	f.index.setClaim(sharedClaim, false)
	require.Equal(t, 1, turns)
	require.Contains(t, before.fileStorage, sharedClaim, "a snapshot was changed")
}
