package bootstrap

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

var caBundle = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

func TestKubeletArgs(t *testing.T) {
	tests := map[string]struct {
		node Node
		want []string
	}{
		"nothing is passed for nothing": {Node{}, nil},
		"labels in order, without those that only core may set": {
			Node{Labels: map[string]string{"team": "data", "empty": "", "karpenter.sh/nodepool": "p", "kubernetes.io/arch": "amd64", "node-restriction.kubernetes.io/x": "no", "node-role.kubernetes.io/worker": "", "topology.kubernetes.io/zone": "PHX-AD-1"}},
			[]string{"--node-labels=empty=,karpenter.sh/nodepool=p,kubernetes.io/arch=amd64,team=data,topology.kubernetes.io/zone=PHX-AD-1"}},
		"a taint that is listed twice is passed once, an empty value stays empty": {
			Node{Taints: []corev1.Taint{{Key: "karpenter.sh/unregistered", Effect: "NoExecute"}, {Key: "a", Value: "b", Effect: "NoSchedule"}, {Key: "a", Value: "b", Effect: "NoSchedule"}, {Key: "a", Value: "c", Effect: "NoExecute"}}},
			[]string{"--register-with-taints=karpenter.sh/unregistered=:NoExecute,a=b:NoSchedule,a=c:NoExecute"}},
		"the whole kubelet block": {
			Node{MaxPods: 60, DNSIP: "10.96.5.5", Kubelet: &v1alpha1.KubeletConfiguration{
				ClusterDNS: []string{"10.96.5.6", "fd00::5"}, MaxPods: new(int32(110)), PodsPerCore: new(int32(10)),
				SystemReserved: v1alpha1.ReservedResources{"memory": "100Mi", "cpu": "100m"}, KubeReserved: v1alpha1.ReservedResources{"ephemeral-storage": "1Gi"},
				EvictionHard: v1alpha1.EvictionThresholds{"nodefs.available": "10%", "memory.available": "500Mi"}, EvictionSoft: v1alpha1.EvictionThresholds{"memory.available": "1Gi"},
				EvictionSoftGracePeriod:   map[string]metav1.Duration{"memory.available": {Duration: 90 * time.Second}},
				EvictionMaxPodGracePeriod: new(int32(0)), ImageGCHighThresholdPercent: new(int32(70)), ImageGCLowThresholdPercent: new(int32(60)), CPUCFSQuota: new(false),
				ExtraArgs: []string{"--v=2", "--serialize-image-pulls"},
			}},
			[]string{"--cluster-dns=10.96.5.6,fd00::5", "--max-pods=60", "--pods-per-core=10", "--system-reserved=cpu=100m,memory=100Mi", "--kube-reserved=ephemeral-storage=1Gi",
				"--eviction-hard=memory.available<500Mi,nodefs.available<10%", "--eviction-soft=memory.available<1Gi", "--eviction-soft-grace-period=memory.available=1m30s", "--eviction-max-pod-grace-period=0",
				"--image-gc-high-threshold=70", "--image-gc-low-threshold=60", "--cpu-cfs-quota=false", "--v=2", "--serialize-image-pulls"}},
		"the class's number of pods where the instance type gives none": {Node{Kubelet: &v1alpha1.KubeletConfiguration{MaxPods: new(int32(17))}}, []string{"--max-pods=17"}},
		"one DNS server is the installer's on Oracle Linux":             {Node{DNSIP: "10.96.5.5"}, nil},
		"one DNS server is an argument on Ubuntu":                       {Node{Family: v1alpha1.ImageFamilyUbuntu, DNSIP: "10.96.5.5"}, []string{"--cluster-dns=10.96.5.5"}},
		"a Custom image gets its labels by a key":                       {Node{Family: v1alpha1.ImageFamilyCustom, Labels: map[string]string{"a": "b"}, MaxPods: 3}, []string{"--max-pods=3"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			args, err := kubeletArgs(tt.node)
			require.NoError(t, err)
			require.Equal(t, tt.want, args)
		})
	}
}

func TestMetadataRefuses(t *testing.T) {
	custom := v1alpha1.ImageFamilyCustom
	tests := map[string]struct {
		node Node
		why  string
	}{
		"a label value with a space":           {Node{Labels: map[string]string{"team": "a b"}}, `label "team"`},
		"a label value that a shell expands":   {Node{Labels: map[string]string{"team": "$(reboot)"}}, `label "team"`},
		"a label value with a comma":           {Node{Labels: map[string]string{"team": "a,b=c"}}, `label "team"`},
		"a label without a key":                {Node{Labels: map[string]string{"": "a"}}, `label ""`},
		"a taint value with a colon":           {Node{Taints: []corev1.Taint{{Key: "a", Value: "b:c", Effect: "NoSchedule"}}}, `taint "a"`},
		"a taint with an unknown effect":       {Node{Taints: []corev1.Taint{{Key: "a", Effect: "Never"}}}, "its effect must be"},
		"a taint with two values":              {Node{Taints: []corev1.Taint{{Key: "a", Value: "b", Effect: "NoSchedule"}, {Key: "a", Value: "c", Effect: "NoSchedule"}}}, "has two values"},
		"an argument that splits":              {Node{Kubelet: &v1alpha1.KubeletConfiguration{ExtraArgs: []string{"--v=2 --port=1"}}}, `argument "--v"`},
		"a reservation with a quote":           {Node{Kubelet: &v1alpha1.KubeletConfiguration{KubeReserved: v1alpha1.ReservedResources{"cpu": "1'"}}}, `argument "--kube-reserved"`},
		"a script with a NUL":                  {Node{PreInstall: "secret\x00"}, "preInstallScript has a NUL"},
		"user data that is not UTF-8":          {Node{UserData: "secret\xff"}, "userData has a NUL character or is not UTF-8"},
		"a MIME document without an end":       {Node{UserData: "Content-Type: multipart/mixed; boundary=B\nMIME-Version: 1.0\n\n--B\n\nsecret\n"}, "can not be read"},
		"a MIME document without a boundary":   {Node{UserData: "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\nsecret\n"}, "can not be read"},
		"a MIME document with a broken header": {Node{UserData: "MIME-Version: 1.0\nsecret\n\nsecret\n"}, "can not be read"},
		"scripts for a Custom image":           {Node{Family: custom, PreInstall: "secret"}, "runs userData alone"},
		"local drives of a Custom image":       {Node{Family: custom, LocalNVMe: true}, "remove localNvmePolicy"},
		"a mounted volume of a Custom image":   {Node{Family: custom, BlockDevices: []v1alpha1.BlockDevice{{MountPath: "/data"}}}, "remove mountPath /data"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Metadata(tt.node)
			require.ErrorContains(t, err, tt.why)
			require.NotContains(t, err.Error(), "secret", "nothing of scripts and user data is in an error")
		})
	}
}

func TestMetadataKeys(t *testing.T) {
	ca64 := base64.StdEncoding.EncodeToString(caBundle)
	native := &NativePodNetworking{PodSubnetIDs: []string{"s1", "s2"}, PodNSGIDs: []string{"n1"}}
	tests := map[string]struct {
		node Node
		want map[string]string
	}{
		"Oracle Linux needs none": {Node{Endpoint: "10.0.0.14", CABundle: caBundle, DNSIP: "10.96.5.5"}, map[string]string{}},
		"VCN-native pod networking": {Node{MaxPods: 31, Native: native},
			map[string]string{"oke-native-pod-networking": "true", "oke-max-pods": "31", "pod-subnets": "s1,s2", "pod-nsgids": "n1"}},
		"VCN-native pod networking without groups and limit": {Node{Native: &NativePodNetworking{PodSubnetIDs: []string{"s1"}}},
			map[string]string{"oke-native-pod-networking": "true", "pod-subnets": "s1"}},
		"what is known of the cluster": {Node{KubernetesVersion: "v1.34.1", TenancyID: "ocid1.tenancy.oc1..a", IPFamilies: []string{"IPv4", "IPv6"}, SSHAuthorizedKeys: []string{"ssh-ed25519 A a", "ssh-ed25519 B b"}},
			map[string]string{"oke-k8version": "v1.34.1", "oke-tenancy-id": "ocid1.tenancy.oc1..a", "ip-families": "IPv4,IPv6", "ssh_authorized_keys": "ssh-ed25519 A a\nssh-ed25519 B b"}},
		"a preemptible node has OKE's taint only when asked for": {Node{Preemptible: true}, map[string]string{"oke-is-preemptible": "false"}},
		"OKE's taint was asked for":                              {Node{Preemptible: true, PreemptibleTaint: v1alpha1.PreemptibleTaintOKE}, map[string]string{"oke-is-preemptible": "true"}},
		"the user's keys win but for the controller's own": {Node{Native: native, Metadata: map[string]string{"pod-subnets": "mine", "own": "x", "user_data": "y", "oke-is-preemptible": "true", "karpenter-oke-x": "z"}},
			map[string]string{"oke-native-pod-networking": "true", "pod-subnets": "mine", "pod-nsgids": "n1", "own": "x"}},
		"a Custom image gets all by keys": {
			Node{Family: v1alpha1.ImageFamilyCustom, Endpoint: "10.0.0.14", CABundle: caBundle, DNSIP: "10.96.5.5", Labels: map[string]string{"a": "b", "c": "d"},
				Taints: []corev1.Taint{{Key: "t", Effect: "NoSchedule"}}, MaxPods: 5},
			map[string]string{"apiserver_host": "10.0.0.14", "cluster_ca_cert": ca64, "kubedns_svc_ip": "10.96.5.5", "oke-initial-node-labels": "a=b,c=d", "kubelet-extra-args": "--register-with-taints=t=:NoSchedule --max-pods=5"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			metadata, err := Metadata(tt.node)
			require.NoError(t, err)
			if tt.node.Family == v1alpha1.ImageFamilyCustom {
				require.NotContains(t, metadata, "user_data")
			}
			delete(metadata, "user_data")
			require.Equal(t, tt.want, metadata)
		})
	}
}

func TestMetadataIsTheSameForTheSameNode(t *testing.T) {
	node := Node{Labels: map[string]string{"a": "1", "b": "2", "c": "3"}, UserData: "echo hi", Metadata: map[string]string{"x": "1", "y": "2"}, PreInstall: noise(40_000, "abcdefgh\n"),
		Kubelet: &v1alpha1.KubeletConfiguration{KubeReserved: v1alpha1.ReservedResources{"cpu": "1", "memory": "1Gi", "pid": "100"}}}
	first, err := Metadata(node)
	require.NoError(t, err)
	for range 20 {
		again, err := Metadata(node)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

func TestCustomUserDataIsUnchanged(t *testing.T) {
	for _, text := range []string{"anything at all", "#!/bin/sh\r\n", "MIME-Version: 1.0\n\nbroken", "{\"ignition\": {}}"} {
		metadata, err := Metadata(Node{Family: v1alpha1.ImageFamilyCustom, UserData: text})
		require.NoError(t, err)
		require.Equal(t, base64.StdEncoding.EncodeToString([]byte(text)), metadata["user_data"])
	}
}

// noise is text that does not compress well, made of the given letters.
func noise(n int, letters string) string {
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range n {
		b.WriteByte(letters[random.IntN(len(letters))])
	}
	return b.String()
}

func TestUserDataIsCompressedOnlyWhenItMustBe(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	for name, tt := range map[string]struct {
		bytes int
		gzip  bool
	}{"small": {1000, false}, "large": {30_000, true}} {
		t.Run(name, func(t *testing.T) {
			metadata, err := Metadata(Node{Endpoint: "10.0.0.14", CABundle: caBundle, UserData: "#!/bin/sh\n# " + noise(tt.bytes, letters)})
			require.NoError(t, err)
			raw, err := base64.StdEncoding.DecodeString(metadata["user_data"])
			require.NoError(t, err)
			require.Equal(t, tt.gzip, bytes.HasPrefix(raw, []byte{0x1f, 0x8b}))
			require.LessOrEqual(t, size(metadata), MaxMetadataBytes)
		})
	}
}

func TestMetadataBeyondTheLimitSaysWhatIsLarge(t *testing.T) {
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	_, err := Metadata(Node{CABundle: caBundle, UserData: "#!/bin/sh\n# secret" + noise(40_000, letters), PreInstall: "secret", Metadata: map[string]string{"own": "secret", "other": strings.Repeat("x", 500)}})
	var large *TooLargeError
	require.True(t, errors.As(err, &large), "%v", err)
	require.Equal(t, MaxMetadataBytes, large.Limit)
	require.Greater(t, large.Bytes, large.Limit)
	require.Equal(t, []PartSize{{"userData", 40_018}, {"metaData.other", 505}, {"the cluster's CA certificate", len(caBundle)}, {"metaData.own", 9}, {"preInstallScript", 6}}, large.Parts)
	require.Contains(t, err.Error(), "OCI allows 32000; shorten the largest parts (bytes before encoding: userData 40018, metaData.other 505,")
	require.NotContains(t, err.Error(), "secret")
}

func TestLimitIsExact(t *testing.T) {
	node := Node{Endpoint: "10.0.0.14", CABundle: caBundle}
	metadata, err := Metadata(node)
	require.NoError(t, err)
	room := MaxMetadataBytes - size(metadata) - len("filler")
	node.Metadata = map[string]string{"filler": strings.Repeat("x", room)}
	metadata, err = Metadata(node)
	require.NoError(t, err)
	require.Equal(t, MaxMetadataBytes, size(metadata), "keys and values count")
	node.Metadata["filler"] = strings.Repeat("x", MaxMetadataBytes)
	_, err = Metadata(node)
	require.ErrorContains(t, err, "OCI allows 32000")
}

func TestDevicePath(t *testing.T) {
	for i, want := range map[int]string{0: "/dev/oracleoci/oraclevdb", 1: "/dev/oracleoci/oraclevdc", 24: "/dev/oracleoci/oraclevdz", 25: "/dev/oracleoci/oraclevdaa", 31: "/dev/oracleoci/oraclevdag"} {
		require.Equal(t, want, DevicePath(i))
	}
}

func TestNameAfterSortsAfterEveryName(t *testing.T) {
	for _, name := range []string{"", "part-001", "runcmd", "zz.sh", "zzz", "zzz-karpenter-oke.sh", "zzzzzz9"} {
		require.Greater(t, nameAfter(name), name)
		require.Greater(t, nameAfter(name), "runcmd")
	}
}
