package v1alpha1

import (
	"fmt"
	"strconv"

	"github.com/mitchellh/hashstructure/v2"
)

// HashVersion changes when a release hashes the spec in another way. NodeClaims stamped under another version are stamped anew
// and never replaced for it.
const HashVersion = "v1"

// staticSpec is the part of the spec that only a new node can take up. What the selectors resolve to is not in it: that is
// compared with the instance itself.
type staticSpec struct {
	ImageFamily         string
	BootVolumeSizeInGBs int64
	BootVolumeVpusPerGB int64
	FreeFormTags        map[string]string
	DefinedTags         map[string]map[string]string
}

// Hash changes when a node launched from the class would come out differently in its static part.
func (in *OciNodeClass) Hash() string {
	hash, err := hashstructure.Hash(staticSpec{
		ImageFamily:         in.Spec.ImageFamily,
		BootVolumeSizeInGBs: in.BootVolumeSizeInGBs(),
		BootVolumeVpusPerGB: in.BootVolumeVpusPerGB(),
		FreeFormTags:        in.Spec.FreeFormTags,
		DefinedTags:         in.Spec.DefinedTags,
	}, hashstructure.FormatV2, &hashstructure.HashOptions{ZeroNil: true, IgnoreZeroValue: true})
	if err != nil {
		// Only types that can not be hashed give an error, and the struct above has none.
		return fmt.Sprintf("unhashable: %v", err)
	}
	return strconv.FormatUint(hash, 10)
}
