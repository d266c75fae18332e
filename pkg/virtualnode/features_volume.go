package virtualnode

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// allowedFileMode is the only mode that virtual nodes give to files of volumes.
const allowedFileMode = 0o644

func anyVolume(p *corev1.Pod, test func(*corev1.VolumeSource) bool) bool {
	for i := range p.Spec.Volumes {
		if test(&p.Spec.Volumes[i].VolumeSource) {
			return true
		}
	}
	return false
}

func hasPVC(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool { return v.PersistentVolumeClaim != nil })
}

func hasEphemeralVolume(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool { return v.Ephemeral != nil })
}

func hasHostPath(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool { return v.HostPath != nil })
}

func hasNetworkVolume(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool { return v.NFS != nil || v.ISCSI != nil || v.CephFS != nil })
}

// hasOtherVolume covers every kind without a rule of its own, kinds that Kubernetes adds later included.
func hasOtherVolume(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool {
		rest := *v
		rest.EmptyDir, rest.ConfigMap, rest.Secret, rest.Projected, rest.DownwardAPI = nil, nil, nil, nil, nil
		rest.PersistentVolumeClaim, rest.Ephemeral, rest.HostPath = nil, nil, nil
		rest.NFS, rest.ISCSI, rest.CephFS = nil, nil, nil
		return rest != corev1.VolumeSource{}
	})
}

func hasSeveralEmptyDirs(p *corev1.Pod) bool {
	count := 0
	for i := range p.Spec.Volumes {
		if p.Spec.Volumes[i].EmptyDir != nil {
			count++
		}
	}
	return count > 1
}

func hasEmptyDirSizeLimit(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool { return v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil })
}

func hasEmptyDirMedium(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool {
		return v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumDefault && v.EmptyDir.Medium != corev1.StorageMediumMemory
	})
}

func hasFileModes(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool {
		return v.ConfigMap != nil && (isOddMode(v.ConfigMap.DefaultMode) || anyOddKey(v.ConfigMap.Items)) ||
			v.Secret != nil && (isOddMode(v.Secret.DefaultMode) || anyOddKey(v.Secret.Items)) ||
			v.DownwardAPI != nil && (isOddMode(v.DownwardAPI.DefaultMode) || anyOddField(v.DownwardAPI.Items)) ||
			v.Projected != nil && projectsOddModes(v.Projected)
	})
}

func projectsOddModes(v *corev1.ProjectedVolumeSource) bool {
	if isOddMode(v.DefaultMode) {
		return true
	}
	for i := range v.Sources {
		s := &v.Sources[i]
		if s.ConfigMap != nil && anyOddKey(s.ConfigMap.Items) || s.Secret != nil && anyOddKey(s.Secret.Items) ||
			s.DownwardAPI != nil && anyOddField(s.DownwardAPI.Items) {
			return true
		}
	}
	return false
}

func isOddMode(mode *int32) bool { return mode != nil && *mode != allowedFileMode }

func anyOddKey(items []corev1.KeyToPath) bool {
	for i := range items {
		if isOddMode(items[i].Mode) {
			return true
		}
	}
	return false
}

func anyOddField(items []corev1.DownwardAPIVolumeFile) bool {
	for i := range items {
		if isOddMode(items[i].Mode) {
			return true
		}
	}
	return false
}

// mountsConfiguration leaves projected volumes out: the API server puts one with the service account's token into every pod.
func mountsConfiguration(p *corev1.Pod) bool {
	return anyVolume(p, func(v *corev1.VolumeSource) bool { return v.ConfigMap != nil || v.Secret != nil })
}

// mountsFileStorage tells whether the pod mounts a claim that is known to be File Storage's.
func mountsFileStorage(p *corev1.Pod, s *Snapshot) bool { return anyClaim(p, s, true) }

// mountsOtherClaim tells whether the pod mounts a claim that is not, or not known to be, File Storage's.
func mountsOtherClaim(p *corev1.Pod, s *Snapshot) bool { return anyClaim(p, s, false) }

func anyClaim(p *corev1.Pod, s *Snapshot, fileStorage bool) bool {
	for i := range p.Spec.Volumes {
		claim := p.Spec.Volumes[i].PersistentVolumeClaim
		if claim == nil {
			continue
		}
		if _, known := s.fileStorage[types.NamespacedName{Namespace: p.Namespace, Name: claim.ClaimName}]; known == fileStorage {
			return true
		}
	}
	return false
}
