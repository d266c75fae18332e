package cloudprovider_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// OCI keeps the data volumes of an instance unless the request to end it says otherwise, so an end that nobody asked for leaves them.
func TestDataVolumesGoWithTheirInstanceWhoeverEndsIt(t *testing.T) {
	denied := func(operation string) *ocisim.Fault {
		return &ocisim.Fault{Operation: operation, Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."}
	}
	cases := []struct {
		name  string
		byOCI bool
		fault *ocisim.Fault
		left  int // volumes
		lists int
	}{
		{"the controller ends it", false, nil, 0, 0},
		{"OCI ends it", true, nil, 0, 1},
		{"OCI ends it, and a call fails at first", true, &ocisim.Fault{Operation: "DeleteVolume", Kind: ocisim.ErrorAnswer, Status: 500, Code: "InternalServerError", Times: 1}, 0, 1},
		{"OCI ends it, and the right to inspect attachments is missing", true, denied("ListVolumeAttachments"), 1, 1},
		{"OCI ends it, and the right to delete volumes is missing", true, denied("DeleteVolume"), 1, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{ProvisioningDelay: -1, TerminationDelay: -1})
			s.edit(func(spec *v1alpha1.OciNodeClassSpec) { spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 50}} })
			claim := s.claim("one")
			created, err := s.Create(t.Context(), claim)
			require.NoError(t, err)
			claim.Status = created.Status
			require.Len(t, s.region.Volumes(), 2, "boot and data")
			if c.fault != nil {
				s.region.Fail(*c.fault)
			}
			if c.byOCI {
				require.NoError(t, s.region.TerminateInstance(created.Status.ProviderID))
			}
			require.Eventually(t, func() bool {
				require.NoError(t, s.inventory.Refresh(t.Context()))
				return corecloudprovider.IsNodeClaimNotFoundError(s.Delete(t.Context(), claim))
			}, 30*time.Second, 50*time.Millisecond)
			require.Len(t, s.region.Volumes(), c.left)
			require.GreaterOrEqual(t, s.calls("ListVolumeAttachments"), c.lists)
			if c.lists == 0 {
				require.Zero(t, s.calls("ListVolumeAttachments"), "what the controller ended itself costs no further call")
			}
		})
	}
}
