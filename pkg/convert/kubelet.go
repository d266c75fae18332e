package convert

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	pathKubelet   = "spec.kubeletConfig"
	pathExtraArgs = pathKubelet + ".extraArgs"
)

// maxPodsLimit is the schema's.
const maxPodsLimit = 256

// kubelet are the kubelet's settings; labels of nodes go to the NodePools.
func (c *classConversion) kubelet() {
	from := c.from.KubeletConfig
	if from == nil {
		return
	}
	to := &v1alpha1.KubeletConfiguration{
		ClusterDNS:                  from.ClusterDNS,
		MaxPods:                     from.MaxPods,
		PodsPerCore:                 from.PodsPerCore,
		SystemReserved:              from.SystemReserved,
		KubeReserved:                from.KubeReserved,
		EvictionHard:                from.EvictionHard,
		EvictionSoft:                from.EvictionSoft,
		EvictionMaxPodGracePeriod:   from.EvictionMaxPodGracePeriod,
		ImageGCHighThresholdPercent: from.ImageGCHighThresholdPercent,
		ImageGCLowThresholdPercent:  from.ImageGCLowThresholdPercent,
		EvictionSoftGracePeriod:     c.durations(pathKubelet+".evictionSoftGracePeriod", from.EvictionSoftGracePeriod),
	}
	maps.Copy(c.nodeLabels, from.NodeLabels)
	c.extraArgs(to, from.ExtraArgs)
	if to.MaxPods != nil && *to.MaxPods > maxPodsLimit {
		c.warn(pathKubelet+".maxPods", "%d is more than OKE's nodes take; %d is written", *to.MaxPods, maxPodsLimit)
		limit := int32(maxPodsLimit)
		to.MaxPods = &limit
	}
	c.to.Kubelet = to
}

func (c *classConversion) durations(path string, from map[string]string) map[string]metav1.Duration {
	var out map[string]metav1.Duration
	for _, signal := range slices.Sorted(maps.Keys(from)) {
		d, err := time.ParseDuration(from[signal])
		if err != nil {
			c.warn(fmt.Sprintf("%s[%q]", path, signal), "%q is no duration such as 1m30s; it is left out", from[signal])
			continue
		}
		if out == nil {
			out = map[string]metav1.Duration{}
		}
		out[signal] = metav1.Duration{Duration: d}
	}
	return out
}

// extraArgs splits the kubelet's further arguments. Those that have a field of their own go there, unless the field is set: it comes
// first on the source's command line, but which of two the kubelet takes is then the user's to say.
func (c *classConversion) extraArgs(to *v1alpha1.KubeletConfiguration, line string) {
	for _, arg := range joinValues(strings.Fields(line)) {
		flag, value, _ := strings.Cut(arg, "=")
		switch field, hasField := kubeletFlags[flag]; {
		case flag == "--node-labels":
			for key, v := range pairs(value, "=") {
				c.nodeLabels[key] = v
			}
		case hasField:
			if err := field(to, value); err != nil {
				c.warn(pathExtraArgs, "%s: %s; it is left out, set the field of spec.kubelet", flag, err.Error())
			}
		case slices.Contains(registrationFlags, flag):
			c.warn(pathExtraArgs, "%s: the controller and OKE set how a node registers; it is left out, use the labels and taints of the NodePool", flag)
		case !kubeletArgument.MatchString(arg):
			c.warn(pathExtraArgs, "an argument is not --flag or --flag=value, or has characters that a shell reads; it is left out, write it so in spec.kubelet.extraArgs")
		default:
			to.ExtraArgs = append(to.ExtraArgs, arg)
		}
	}
}

// joinValues makes --flag=value of "--flag value" and --v=2 of "-v 2", the kubelet's only short flag that is in use.
func joinValues(words []string) []string {
	var out []string
	for _, word := range words {
		switch last := len(out) - 1; {
		case strings.HasPrefix(word, "-v") && !strings.HasPrefix(word, "--"):
			out = append(out, strings.TrimSuffix("--v="+strings.TrimPrefix(word[2:], "="), "="))
		case !strings.HasPrefix(word, "-") && last >= 0 && !strings.Contains(out[last], "="):
			out[last] += "=" + word
		default:
			out = append(out, word)
		}
	}
	return out
}

// kubeletArgument is what the schema takes.
var kubeletArgument = regexp.MustCompile(`^--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:;/@%+=~<>-]*)?$`)

// registrationFlags are those that the schema refuses.
var registrationFlags = []string{
	"--register-with-taints", "--register-node", "--provider-id", "--cloud-provider", "--hostname-override", "--node-ip", "--kubeconfig",
	"--bootstrap-kubeconfig", "--config",
}

type kubeletField func(to *v1alpha1.KubeletConfiguration, value string) error

// kubeletFlags are the flags that have fields.
var kubeletFlags = map[string]kubeletField{
	"--cluster-dns": func(to *v1alpha1.KubeletConfiguration, value string) error {
		if to.ClusterDNS != nil {
			return errTwice
		}
		to.ClusterDNS = strings.Split(value, ",")
		return nil
	},
	"--max-pods":                      number(func(to *v1alpha1.KubeletConfiguration) **int32 { return &to.MaxPods }),
	"--pods-per-core":                 number(func(to *v1alpha1.KubeletConfiguration) **int32 { return &to.PodsPerCore }),
	"--eviction-max-pod-grace-period": number(func(to *v1alpha1.KubeletConfiguration) **int32 { return &to.EvictionMaxPodGracePeriod }),
	"--image-gc-high-threshold":       number(func(to *v1alpha1.KubeletConfiguration) **int32 { return &to.ImageGCHighThresholdPercent }),
	"--image-gc-low-threshold":        number(func(to *v1alpha1.KubeletConfiguration) **int32 { return &to.ImageGCLowThresholdPercent }),
	"--system-reserved":               amounts("=", func(to *v1alpha1.KubeletConfiguration) *v1alpha1.ReservedResources { return &to.SystemReserved }),
	"--kube-reserved":                 amounts("=", func(to *v1alpha1.KubeletConfiguration) *v1alpha1.ReservedResources { return &to.KubeReserved }),
	"--eviction-hard":                 amounts("<", func(to *v1alpha1.KubeletConfiguration) *v1alpha1.EvictionThresholds { return &to.EvictionHard }),
	"--eviction-soft":                 amounts("<", func(to *v1alpha1.KubeletConfiguration) *v1alpha1.EvictionThresholds { return &to.EvictionSoft }),
	"--eviction-soft-grace-period": func(to *v1alpha1.KubeletConfiguration, value string) error {
		if to.EvictionSoftGracePeriod != nil {
			return errTwice
		}
		out := map[string]metav1.Duration{}
		for signal, v := range pairs(value, "=") {
			d, err := time.ParseDuration(v)
			if err != nil {
				return fmt.Errorf("%q is no duration", v)
			}
			out[signal] = metav1.Duration{Duration: d}
		}
		to.EvictionSoftGracePeriod = out
		return nil
	},
	"--cpu-cfs-quota": func(to *v1alpha1.KubeletConfiguration, value string) error {
		quota, err := strconv.ParseBool(value)
		if value != "" && err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		quota = quota || value == ""
		to.CPUCFSQuota = &quota
		return nil
	},
}

var errTwice = fmt.Errorf("the class has a field for it that is set as well")

func number(field func(*v1alpha1.KubeletConfiguration) **int32) kubeletField {
	return func(to *v1alpha1.KubeletConfiguration, value string) error {
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is no whole number", value)
		}
		if *field(to) != nil {
			return errTwice
		}
		n32 := int32(n)
		*field(to) = &n32
		return nil
	}
}

func amounts[M ~map[string]string](separator string, field func(*v1alpha1.KubeletConfiguration) *M) kubeletField {
	return func(to *v1alpha1.KubeletConfiguration, value string) error {
		if *field(to) != nil {
			return errTwice
		}
		*field(to) = pairs(value, separator)
		return nil
	}
}

// pairs reads key=value,key=value, with the separator given.
func pairs(list, separator string) map[string]string {
	out := map[string]string{}
	for _, item := range strings.Split(list, ",") {
		if key, value, ok := strings.Cut(item, separator); ok {
			out[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return out
}

// labelList writes labels as kubectl takes them.
func labelList(labels map[string]string) string {
	out := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, key+"="+labels[key])
	}
	return strings.Join(out, ",")
}
