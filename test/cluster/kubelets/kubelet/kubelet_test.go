package kubelet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestParseArgs(t *testing.T) {
	tests := map[string]struct {
		line string
		want Config
	}{
		"nothing": {"", Config{}},
		"labels, taints and reservations": {
			`--node-labels=karpenter.sh/nodepool=a,x= --register-with-taints=karpenter.sh/unregistered:NoExecute,a=b:NoSchedule --kube-reserved=cpu=100m,memory=1Gi --system-reserved cpu=50m --max-pods=31`,
			Config{NodeLabels: map[string]string{"karpenter.sh/nodepool": "a", "x": ""}, MaxPods: 31, KubeReserved: map[string]string{"cpu": "100m", "memory": "1Gi"}, SystemReserved: map[string]string{"cpu": "50m"},
				Taints: []corev1.Taint{{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}, {Key: "a", Value: "b", Effect: corev1.TaintEffectNoSchedule}}}},
		"quoted values, tabs and lines":             {"  --node-labels='a=b,c=d'\t\"--eviction-hard=memory.available<500Mi,nodefs.available<10%\"\n--provider-id=ocid1.instance\\ x", Config{NodeLabels: map[string]string{"a": "b", "c": "d"}, EvictionHard: map[string]string{"memory.available": "500Mi", "nodefs.available": "10%"}, ProviderID: "ocid1.instance x"}},
		"a dollar sign is not expanded":             {`--provider-id=$HOME"$(id)"`, Config{ProviderID: "$HOME$(id)"}},
		"a flag given twice adds labels":            {"--node-labels=a=b --node-labels=c=d", Config{NodeLabels: map[string]string{"a": "b", "c": "d"}}},
		"labels that kubelets may set":              {"--node-labels=node.kubernetes.io/instance-type=x,topology.kubernetes.io/zone=z,kubelet.kubernetes.io/a=b", Config{NodeLabels: map[string]string{"node.kubernetes.io/instance-type": "x", "topology.kubernetes.io/zone": "z", "kubelet.kubernetes.io/a": "b"}}},
		"an empty eviction list is not the default": {"--eviction-hard=", Config{EvictionHard: map[string]string{}}},
		"flags that decide nothing here":            {"--v=2 --serialize-image-pulls --feature-gates=A=true", Config{}},
		"taints given twice are the later ones":     {"--register-with-taints=a=b:NoSchedule --register-with-taints=c=:NoExecute", Config{Taints: []corev1.Taint{{Key: "c", Effect: corev1.TaintEffectNoExecute}}}},
		"soft eviction, garbage collection and the CPU quota": {
			"--eviction-soft=memory.available<1Gi --eviction-soft-grace-period=memory.available=1m30s --eviction-max-pod-grace-period=60 --image-gc-high-threshold=70 --image-gc-low-threshold=60 --cpu-cfs-quota=false",
			Config{EvictionSoft: map[string]string{"memory.available": "1Gi"}, EvictionSoftGrace: map[string]time.Duration{"memory.available": 90 * time.Second}, EvictionMaxGrace: new(60), ImageGCHigh: new(70), ImageGCLow: new(60), CPUCFSQuota: new(false)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseArgs(tt.line)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestParseArgsRefuses(t *testing.T) {
	tests := map[string]struct{ line, why string }{
		"an unknown flag":                         {"--max-pod=3", "unknown flag"},
		"a word that is no flag":                  {"--max-pods=3 extra", "unknown command"},
		"a number that is none":                   {"--max-pods=many", "invalid argument"},
		"an open quote":                           {"--node-labels='a=b", "not closed"},
		"a lone backslash at the end":             {`--node-labels=a=b\`, "backslash"},
		"a label of Kubernetes' own namespace":    {"--node-labels=node-role.kubernetes.io/worker=", "unknown 'kubernetes.io'"},
		"a label of the restricted namespace":     {"--node-labels=a.node-restriction.kubernetes.io/b=c", "unknown 'kubernetes.io'"},
		"a label with a colon in its value":       {"--node-labels=topology.kubernetes.io/zone=Uocm:PHX-AD-1", "invalid value"},
		"a taint without an effect":               {"--register-with-taints=a=b", "no effect"},
		"a taint with an unknown effect":          {"--register-with-taints=a=b:Never", "invalid taint effect"},
		"the same taint twice":                    {"--register-with-taints=a=b:NoSchedule,a=c:NoSchedule", "duplicated"},
		"a reservation of something unreservable": {"--kube-reserved=nvidia.com/gpu=1", "cannot reserve"},
		"a reservation that is no quantity":       {"--kube-reserved=memory=1GB", "failed to parse quantity"},
		"a negative reservation":                  {"--kube-reserved=cpu=-1", "cannot be negative"},
		"an unknown eviction signal":              {"--eviction-hard=memory<1Gi", "unknown eviction signal"},
		"an eviction threshold with equals":       {"--eviction-hard=memory.available=1Gi", "malformed pair"},
		"soft eviction without a grace period":    {"--eviction-soft=memory.available<1Gi", "grace period must be specified"},
		"a grace period that is no duration":      {"--eviction-soft=memory.available<1Gi --eviction-soft-grace-period=memory.available=90", "invalid eviction grace period"},
		"garbage collection that never ends":      {"--image-gc-low-threshold=90", "must be less than"},
		"a DNS address that is a name":            {"--cluster-dns=dns.example", "invalid --cluster-dns"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseArgs(tt.line)
			require.ErrorContains(t, err, tt.why)
		})
	}
}

// Figures in bytes and millicores; the comments name what was published or measured on real machines.
func TestResources(t *testing.T) {
	tests := map[string]struct {
		hardware Hardware
		args     string
		capacity map[corev1.ResourceName]int64 // cpu in millicores, others in bytes or pieces
		allocat  map[corev1.ResourceName]int64
	}{
		// Measured: capacity 30.89 GiB, allocatable 27.70 GiB.
		"E5 with 4 CPUs, 32 GB and a grown 50 GB disk": {
			Hardware{VCPUs: 4, MemoryGB: 32, BootVolumeSizeGB: 50, RootGrown: true}, "",
			map[corev1.ResourceName]int64{"cpu": 4000, "memory": 33158070272, "ephemeral-storage": 41720600576, "pods": 110},
			map[corev1.ResourceName]int64{"cpu": 3803, "memory": 29727129600, "ephemeral-storage": 37548540519, "pods": 110},
		},
		// Measured: 7657 MiB total.
		"A1 with 2 CPUs, 8 GB and an ungrown disk": {
			Hardware{VCPUs: 2, MemoryGB: 8, BootVolumeSizeGB: 100}, "",
			map[corev1.ResourceName]int64{"cpu": 2000, "memory": 7841251328, "ephemeral-storage": 38069878784, "pods": 110},
			map[corev1.ResourceName]int64{"cpu": 1815, "memory": 6557794304, "ephemeral-storage": 34262890906, "pods": 110},
		},
		// Published: 16 CPUs, 15743m allocatable.
		"the CPU of the documented node with 16 CPUs": {
			Hardware{VCPUs: 16, MemoryGB: 128, BootVolumeSizeGB: 50, RootGrown: true}, "",
			map[corev1.ResourceName]int64{"cpu": 16000}, map[corev1.ResourceName]int64{"cpu": 15743},
		},
		"arguments replace the image's reservations and thresholds": {
			Hardware{VCPUs: 4, MemoryGB: 32, BootVolumeSizeGB: 50, RootGrown: true},
			"--kube-reserved=cpu=1,memory=1Gi,ephemeral-storage=1Gi --system-reserved=memory=0 --eviction-hard=memory.available<5% --max-pods=17",
			map[corev1.ResourceName]int64{"memory": 33158070272, "pods": 17},
			map[corev1.ResourceName]int64{"cpu": 3000, "memory": 33158070272 - 1<<30 - 1657903513, "ephemeral-storage": 41720600576 - 1<<30, "pods": 17},
		},
		"a bare-metal server keeps nearly all its memory": {
			Hardware{VCPUs: 128, MemoryGB: 1024, BareMetal: true, BootVolumeSizeGB: 50}, "--max-pods=250",
			map[corev1.ResourceName]int64{"memory": 1024<<30 - 256<<20 - 1024*4<<20, "pods": 250}, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			config, err := ParseArgs(tt.args)
			require.NoError(t, err)
			capacity, allocatable, err := Resources(tt.hardware, config, 0)
			require.NoError(t, err)
			for list, want := range map[*corev1.ResourceList]map[corev1.ResourceName]int64{&capacity: tt.capacity, &allocatable: tt.allocat} {
				for r, n := range want {
					q := (*list)[r]
					got := q.Value()
					if r == corev1.ResourceCPU {
						got = q.MilliValue()
					}
					require.Equal(t, n, got, "%s", r)
				}
			}
		})
	}
	t.Run("reservations beyond the machine keep the kubelet from starting", func(t *testing.T) {
		_, _, err := Resources(Hardware{VCPUs: 2, MemoryGB: 8, BootVolumeSizeGB: 50}, Config{KubeReserved: map[string]string{"memory": "9Gi"}}, 0)
		require.ErrorContains(t, err, "exceed its capacity")
	})
}

// The steps that real kubelet configurations of OKE images show.
func TestImageMemoryReserved(t *testing.T) {
	for gb, want := range map[float64]int64{1: gib / 4, 4: gib, 8: gib, 12: 2 * gib, 16: 2 * gib, 21: 2 * gib, 32: 3 * gib, 37: 3 * gib, 40: 4 * gib, 64: 5 * gib, 128: 9 * gib, 256: 9*gib + 128*20*mib} {
		require.Equal(t, want, imageMemoryReserved(gb), "%v GB", gb)
	}
}

func TestImageCPUReserved(t *testing.T) {
	for vcpus, want := range map[int]string{1: "70m", 2: "85m", 4: "97m", 16: "157m"} {
		require.Equal(t, want, ImageKubeReserved(Hardware{VCPUs: vcpus, MemoryGB: 16})["cpu"], "%d CPUs", vcpus)
	}
}

func FuzzParseArgs(f *testing.F) {
	f.Add(`--node-labels='a=b' --register-with-taints=a=b:NoSchedule`)
	f.Fuzz(func(_ *testing.T, line string) { _, _ = ParseArgs(line) })
}
