package v1alpha1

import "maps"

// MaxFreeformTags is how many freeform tags OCI allows on a resource (OCI documentation, "Limits on Tags").
const MaxFreeformTags = 10

// MetadataOwnership is the instance metadata key that holds the same facts as the ownership tags. It is there for classes
// whose own freeform tags leave no room for all of ours.
const MetadataOwnership = TagPrefix + "ownership"

// OwnTagsByImportance lists the ownership tags, the one that is needed most first. Where a class's own freeform tags leave
// room for fewer, the last are left out.
var OwnTagsByImportance = []string{TagClusterID, TagNodeClaim, TagNodePool, TagNodeClass, TagInstanceType}

// FreeformTags are the freeform tags that the class puts on instances: freeFormTags and, under them, the deprecated tags.
func (in *OciNodeClass) FreeformTags() map[string]string {
	tags := make(map[string]string, len(in.Spec.Tags)+len(in.Spec.FreeFormTags))
	maps.Copy(tags, in.Spec.Tags)
	maps.Copy(tags, in.Spec.FreeFormTags)
	return tags
}

// WithOwnership adds as many of the ownership tags to a class's freeform tags as OCI allows, the most important first. It
// returns the tags and the keys that found no room.
func WithOwnership(tags, ownership map[string]string) (all map[string]string, left []string) {
	all = make(map[string]string, MaxFreeformTags)
	maps.Copy(all, tags)
	for _, key := range OwnTagsByImportance {
		value, ok := ownership[key]
		switch {
		case !ok:
		case len(all) < MaxFreeformTags:
			all[key] = value
		default:
			left = append(left, key)
		}
	}
	return all, left
}
