package bootstrap

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kubeletapis "k8s.io/kubelet/pkg/apis"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// kubeletArgs are the arguments that the kubelet gets beside the image's own, in a fixed order. OKE's programs split them at
// white space, so none of them has any. An error names the label, taint or field that no kubelet takes.
func kubeletArgs(node Node) ([]string, error) {
	var args []string
	// A Custom image reads the labels from a metadata key of their own.
	if node.Family != v1alpha1.ImageFamilyCustom {
		labels, err := kubeletLabels(node.Labels)
		if err != nil {
			return nil, err
		}
		args = appendList(args, "--node-labels", labels)
	}
	taints, err := kubeletTaints(node.Taints)
	if err != nil {
		return nil, err
	}
	args = appendList(args, "--register-with-taints", taints)
	if servers := dnsServers(node); installerDNS(node) == "" || node.Family == v1alpha1.ImageFamilyUbuntu {
		args = appendList(args, "--cluster-dns", servers)
	}
	if pods := maxPods(node); pods > 0 {
		args = append(args, "--max-pods="+strconv.Itoa(pods))
	}
	if node.Kubelet != nil {
		args = append(args, settings(node.Kubelet)...)
		args = append(args, node.Kubelet.ExtraArgs...)
	}
	for _, arg := range args {
		if !argument.MatchString(arg) {
			flag, _, _ := strings.Cut(arg, "=")
			return nil, fmt.Errorf("the kubelet argument %q has a form or a character that OKE's boot programs do not pass on; write it as --flag or --flag=value without spaces, quotes, '$' and '\\'", flag)
		}
	}
	return args, nil
}

// argument is what passes through a service file and a shell's word splitting unchanged. It is the schema's rule for extraArgs.
var argument = regexp.MustCompile(`^--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:;/@%+=~<>-]*)?$`)

func appendList(args []string, flag string, values []string) []string {
	if len(values) == 0 {
		return args
	}
	return append(args, flag+"="+strings.Join(values, ","))
}

// settings are the arguments for the fields of the class's kubelet block. A field that is left out has no argument.
func settings(k *v1alpha1.KubeletConfiguration) []string {
	var args []string
	number := func(flag string, value *int32) {
		if value != nil {
			args = append(args, flag+"="+strconv.Itoa(int(*value)))
		}
	}
	number("--pods-per-core", k.PodsPerCore)
	args = appendList(args, "--system-reserved", pairs(k.SystemReserved, "="))
	args = appendList(args, "--kube-reserved", pairs(k.KubeReserved, "="))
	args = appendList(args, "--eviction-hard", pairs(k.EvictionHard, "<"))
	args = appendList(args, "--eviction-soft", pairs(k.EvictionSoft, "<"))
	args = appendList(args, "--eviction-soft-grace-period", periods(k.EvictionSoftGracePeriod))
	number("--eviction-max-pod-grace-period", k.EvictionMaxPodGracePeriod)
	number("--image-gc-high-threshold", k.ImageGCHighThresholdPercent)
	number("--image-gc-low-threshold", k.ImageGCLowThresholdPercent)
	if k.CPUCFSQuota != nil {
		args = append(args, "--cpu-cfs-quota="+strconv.FormatBool(*k.CPUCFSQuota))
	}
	return args
}

func pairs[M ~map[string]string](values M, separator string) []string {
	out := make([]string, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		out = append(out, key+separator+values[key])
	}
	return out
}

func periods(values map[string]metav1.Duration) []string {
	out := make([]string, 0, len(values))
	for _, signal := range slices.Sorted(maps.Keys(values)) {
		out = append(out, signal+"="+values[signal].Duration.String())
	}
	return out
}

func maxPods(node Node) int {
	if node.MaxPods == 0 && node.Kubelet != nil && node.Kubelet.MaxPods != nil {
		return int(*node.Kubelet.MaxPods)
	}
	return node.MaxPods
}

// dnsServers are the user's, else the cluster's.
func dnsServers(node Node) []string {
	if node.Kubelet != nil && len(node.Kubelet.ClusterDNS) > 0 {
		return node.Kubelet.ClusterDNS
	}
	if node.DNSIP != "" {
		return []string{node.DNSIP}
	}
	return nil
}

// installerDNS is the DNS server for programs that take one, and none when there are several: then the kubelet's own argument
// has them all, and given twice they would add up.
func installerDNS(node Node) string {
	if servers := dnsServers(node); len(servers) == 1 {
		return servers[0]
	}
	return ""
}

// kubeletLabels are the labels as key=value in order of their keys, without those that a kubelet is not allowed to set on its
// own node; Karpenter core puts those on the Node when it registers.
func kubeletLabels(labels map[string]string) ([]string, error) {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if problems := slices.Concat(validation.IsQualifiedName(key), validation.IsValidLabelValue(labels[key])); len(problems) > 0 {
			return nil, fmt.Errorf("the label %q can not be put on a node: %s", key, problems[0])
		}
		if !isForbidden(key) {
			out = append(out, key+"="+labels[key])
		}
	}
	return out, nil
}

// isForbidden is the kubelet's own rule: in the kubernetes.io and k8s.io domains only a list of labels and prefixes may be set.
func isForbidden(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found {
		return false
	}
	for _, reserved := range []string{"kubernetes.io", "k8s.io"} {
		if domain == reserved || strings.HasSuffix(domain, "."+reserved) {
			return !kubeletapis.IsKubeletLabel(key)
		}
	}
	return false
}

// kubeletTaints are the taints as key=value:effect in their order. A taint that is listed twice is passed once: NodePools may have
// the same one as taint and as startup taint, and a kubelet does not start when it sees two.
func kubeletTaints(taints []corev1.Taint) ([]string, error) {
	type identity struct {
		key    string
		effect corev1.TaintEffect
	}
	values := map[identity]string{}
	var out []string
	for _, t := range taints {
		problems := slices.Concat(validation.IsQualifiedName(t.Key), validation.IsValidLabelValue(t.Value))
		if len(problems) == 0 && !slices.Contains(effects, t.Effect) {
			problems = []string{"its effect must be NoSchedule, PreferNoSchedule or NoExecute"}
		}
		if len(problems) > 0 {
			return nil, fmt.Errorf("the taint %q can not be put on a node: %s", t.Key, problems[0])
		}
		id := identity{t.Key, t.Effect}
		if value, again := values[id]; again {
			if value != t.Value {
				return nil, fmt.Errorf("the taint %s:%s has two values and a node takes one; change taints or startupTaints of the NodePool", t.Key, t.Effect)
			}
			continue
		}
		values[id] = t.Value
		out = append(out, fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.Effect))
	}
	return out, nil
}

var effects = []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
