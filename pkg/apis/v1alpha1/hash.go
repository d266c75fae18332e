package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// HashVersion changes when a release hashes what an older one hashed in another way. NodeClaims stamped under another version are
// stamped anew and never replaced for it. A new field, or a new concern, needs no new version: left out, it is not hashed.
const HashVersion = "v2"

// Concern is a part of the spec that only a new node can take up, hashed by itself so that drift can say what changed. What
// selectors resolve to is in none of them: it is compared with the instance itself.
type Concern string

// Concerns of the static hash.
const (
	ConcernBootVolume      Concern = "BootVolume"
	ConcernBlockDevices    Concern = "BlockDevices"
	ConcernNetwork         Concern = "Network"
	ConcernPodNetworking   Concern = "PodNetworking"
	ConcernLaunchOptions   Concern = "LaunchOptions"
	ConcernPlatform        Concern = "Platform"
	ConcernInstanceOptions Concern = "InstanceOptions"
	ConcernBootstrap       Concern = "Bootstrap"
	ConcernKubelet         Concern = "Kubelet"
	// ConcernLocalNVMe concerns nodes with local NVMe drives only.
	ConcernLocalNVMe Concern = "LocalNVMe"
	// ConcernPreemptible concerns nodes of capacity type spot only.
	ConcernPreemptible Concern = "Preemptible"
	// ConcernTags can be brought up to date on a running instance.
	ConcernTags Concern = "Tags"
)

// concernHashLength is how many hexadecimal digits of a concern's SHA-256 are kept: 64 bits tell two specs apart.
const concernHashLength = 16

// unsetHash is the hash of a class in which nothing is written: a stamp that is there must not look like one that is not.
const unsetHash = "none"

// concerns gives, for each concern, what is hashed: fields with their defaults filled in, so that to write a default down
// changes nothing.
func (in *OciNodeClass) concerns() map[Concern]any {
	s := &in.Spec
	return map[Concern]any{
		ConcernBootVolume: []any{
			in.BootVolumeSizeInGBs(), in.BootVolumeVpusPerGB(), in.BootVolumeKMSKeyID(), in.BootVolumeEncryptionInTransit(),
		},
		ConcernBlockDevices:    blockDeviceFacts(s.BlockDevices),
		ConcernLocalNVMe:       s.LocalNVMePolicy,
		ConcernNetwork:         orZero(s.PrimaryVNIC),
		ConcernPodNetworking:   podNetworkingFacts(in),
		ConcernLaunchOptions:   orZero(s.LaunchOptions),
		ConcernPlatform:        platformFacts(orZero(s.PlatformConfig)),
		ConcernInstanceOptions: []any{in.LegacyIMDSDisabled(), orZero(s.AvailabilityConfig), sorted(s.AgentList), sorted(s.DisabledAgentList)},
		ConcernBootstrap: []any{
			in.ImageFamily(), orEmpty(s.MetaData), sorted(s.SSHAuthorizedKeys), orZero(s.PreInstallScript), orZero(s.PostInstallScript), orZero(s.UserData),
		},
		ConcernKubelet:     orZero(s.Kubelet),
		ConcernPreemptible: []any{in.PreserveBootVolumeOnPreemption(), in.PreemptibleTaint()},
		ConcernTags:        []any{in.FreeformTags(), orEmpty(s.DefinedTags)},
	}
}

// unsetConcerns are the hashes of a class in which nothing is written.
var unsetConcerns = sync.OnceValue(func() map[Concern]string {
	hashes := map[Concern]string{}
	for concern, facts := range (&OciNodeClass{}).concerns() {
		hashes[concern] = hashOf(facts)
	}
	return hashes
})

// HashByConcern hashes each concern of the class. A concern that is as if nothing had been written for it is left out.
func (in *OciNodeClass) HashByConcern() map[Concern]string {
	unset := unsetConcerns()
	hashes := map[Concern]string{}
	for concern, facts := range in.concerns() {
		if hash := hashOf(facts); hash != unset[concern] {
			hashes[concern] = hash
		}
	}
	return hashes
}

// Hash changes when a node launched from the class would come out differently in its static part. It holds the hash of every
// concern, for ChangedConcerns to compare.
func (in *OciNodeClass) Hash() string {
	hashes := in.HashByConcern()
	parts := make([]string, 0, len(hashes))
	for _, concern := range slices.Sorted(maps.Keys(hashes)) {
		parts = append(parts, string(concern)+"="+hashes[concern])
	}
	if len(parts) == 0 {
		return unsetHash
	}
	return strings.Join(parts, ",")
}

// ChangedConcerns lists, in order, the concerns that differ between two results of Hash of the same HashVersion.
func ChangedConcerns(before, after string) []Concern {
	was, is := parseHash(before), parseHash(after)
	var changed []Concern
	for concern := range was {
		if is[concern] != was[concern] {
			changed = append(changed, concern)
		}
	}
	for concern := range is {
		if _, both := was[concern]; !both {
			changed = append(changed, concern)
		}
	}
	slices.Sort(changed)
	return changed
}

func parseHash(hash string) map[Concern]string {
	out := map[Concern]string{}
	for part := range strings.SplitSeq(hash, ",") {
		if concern, value, ok := strings.Cut(part, "="); ok {
			out[Concern(concern)] = value
		}
	}
	return out
}

// hashOf hashes the JSON of a value: it has one form for equal content, and leaves out fields that are not set.
func hashOf(facts any) string {
	data, err := json.Marshal(facts)
	if err != nil {
		// Only types that JSON does not know give an error, and the facts above have none.
		return fmt.Sprintf("unhashable: %v", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:concernHashLength]
}

// podNetworkingFacts leaves the selectors out: what they select is compared with the instance.
func podNetworkingFacts(in *OciNodeClass) any {
	var ipCount *int32
	if in.Spec.PodNetworking != nil {
		ipCount = in.Spec.PodNetworking.IPCount
	}
	return []any{in.PodNetworkingType(), ipCount}
}

func blockDeviceFacts(devices []BlockDevice) []any {
	facts := []any{}
	for _, d := range devices {
		facts = append(facts, []any{d.SizeInGBs, d.VolumeVpusPerGB(), d.KMSKeyID, isTrue(d.IsPVEncryptionInTransitEnabled), d.MountPath, d.MountFileSystem()})
	}
	return facts
}

// platformFacts reads what is not set as false, but for multithreading, whose default is the shape's.
func platformFacts(p PlatformConfig) any {
	return []any{
		isTrue(p.IsSecureBootEnabled), isTrue(p.IsMeasuredBootEnabled), isTrue(p.IsTrustedPlatformModuleEnabled),
		isTrue(p.IsMemoryEncryptionEnabled), p.IsSymmetricMultiThreadingEnabled,
	}
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// orEmpty makes one of the two ways to have no entries.
func orEmpty[M ~map[string]V, V any](m M) M {
	if m == nil {
		return M{}
	}
	return m
}

func sorted(list []string) []string {
	return slices.Sorted(slices.Values(list))
}
