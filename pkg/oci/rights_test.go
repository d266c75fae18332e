package oci

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRefusalOf(t *testing.T) {
	for name, tc := range map[string]struct {
		err     *Error
		want    Refusal
		refused bool
	}{
		"an answer that names nothing":        {&Error{Class: ClassNotFound, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."}, Refusal{}, true},
		"a subnet":                            {&Error{Class: ClassConfig, Status: 400, Code: "RelatedResourceNotAuthorizedOrNotFound", Message: "subnet ocid1.subnet.x"}, Refusal{"subnets", "use"}, true},
		"an image by its OCID":                {&Error{Class: ClassConfig, Status: 400, Code: "RelatedResourceNotAuthorizedOrNotFound", Message: "ocid1.image.oc1.iad.x"}, Refusal{"instance-images", "read"}, true},
		"a security group before its subnet":  {&Error{Class: ClassNotAuthorized, Status: 403, Code: "NotAuthorized", Message: "ocid1.networksecuritygroup.x in subnet y"}, Refusal{"network-security-groups", "use"}, true},
		"a key":                               {&Error{Class: ClassNotFound, Status: 404, Message: "ocid1.key.oc1.x"}, Refusal{"key-delegate", "use"}, true},
		"credentials that OCI does not know":  {&Error{Class: ClassNotAuthorized, Status: 401, Code: "NotAuthenticated", Message: "x"}, Refusal{}, false},
		"no capacity":                         {&Error{Class: ClassCapacity, Status: 500, Message: "Out of host capacity."}, Refusal{}, false},
		"a request that is wrong in its form": {&Error{Class: ClassConfig, Status: 400, Code: "InvalidParameter", Message: "subnet"}, Refusal{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, refused := RefusalOf(fmt.Errorf("launching: %w", tc.err))
			require.Equal(t, tc.refused, refused)
			require.Equal(t, tc.want, got)
		})
	}
	_, refused := RefusalOf(errors.New("x"))
	require.False(t, refused)
	_, refused = RefusalOf(nil)
	require.False(t, refused)
}

func TestStableText(t *testing.T) {
	for in, want := range map[string]string{
		"failed at 2026-11-01T12:00:00.123Z":             "failed at ...",
		"failed (opc-request-id: 0A1B/2C3D) for good":    "failed (... for good",
		"id 0123456789ABCDEF0123456789ABCDEF":            "id ...",
		"subnet ocid1.subnet.oc1.phx.aaaaaaaaxyz is bad": "subnet ocid1.subnet.oc1.phx.aaaaaaaaxyz is bad",
		"image Oracle-Linux-8.10-2026.08.14-0-OKE-1.36":  "image Oracle-Linux-8.10-2026.08.14-0-OKE-1.36",
	} {
		require.Equal(t, want, StableText(errors.New(in)))
	}
}

func TestTheVaultOfAKey(t *testing.T) {
	for key, want := range map[string]string{
		"ocid1.key.oc1.iad.afnxza26aag4s.abzw":      "https://afnxza26aag4s-management.kms.us-ashburn-1.oraclecloud.com",
		"ocid1.key.oc1.iad.abzw":                    "",
		"ocid1.key.oc1.iad.evil/../x.abzw":          "",
		"ocid1.key.oc1.iad.evil.example.abzw":       "",
		"ocid1.key.oc1.iad.evil@example:80.abzw":    "",
		"ocid1.key.oc1.eu-frankfurt-1.bbbb-1.aaaaa": "https://bbbb-1-management.kms.us-ashburn-1.oraclecloud.com",
	} {
		got, err := vaultEndpoint(key, "us-ashburn-1")
		require.Equal(t, want, got)
		require.Equal(t, want == "", err != nil)
		if err != nil {
			require.Equal(t, ClassNotFound, ClassOf(err))
		}
	}
}
