// Package kubelet reads a kubelet's arguments and computes a node's capacity and allocatable resources as a kubelet on an OKE
// image does. It is a judge of the controller's own model and shares nothing with it.
package kubelet

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	kubeletapis "k8s.io/kubelet/pkg/apis"
)

// Config is what arguments decide about a node.
type Config struct {
	NodeLabels     map[string]string
	Taints         []corev1.Taint
	MaxPods        int // 0: not given
	PodsPerCore    int
	KubeReserved   map[string]string // nil: not given, the image's defaults hold
	SystemReserved map[string]string // nil: not given
	EvictionHard   map[string]string // nil: not given; signal -> quantity or percentage
	EvictionSoft   map[string]string
	// EvictionSoftGrace has an entry for every signal of EvictionSoft.
	EvictionSoftGrace map[string]time.Duration
	EvictionMaxGrace  *int  // seconds; nil: not given
	ImageGCHigh       *int  // percent; nil: not given
	ImageGCLow        *int  // percent; nil: not given
	CPUCFSQuota       *bool // nil: not given
	ClusterDNS        []string
	ProviderID        string
	NodeIP            string
	HostnameOverride  string
}

// ParseArgs reads one argument string as it stands in the service's environment file: split at white space, quotes and
// backslashes respected, nothing expanded. Errors are those a kubelet exits with.
func ParseArgs(line string) (Config, error) {
	words, err := Split(line)
	if err != nil {
		return Config{}, fmt.Errorf("kubelet arguments: %w", err)
	}
	var c Config
	fs := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	fs.Usage = func() {}
	read := c.define(fs)
	addIgnored(fs)
	if err := fs.Parse(words); err != nil {
		return Config{}, fmt.Errorf("kubelet: failed to parse flags: %w", err)
	}
	if fs.NArg() > 0 {
		return Config{}, fmt.Errorf("kubelet: unknown command %q", fs.Arg(0))
	}
	if err := read(); err != nil {
		return Config{}, err
	}
	return c, c.validate()
}

// define adds the flags that decide something. The function that it returns completes the configuration after they were parsed.
func (c *Config) define(fs *pflag.FlagSet) (read func() error) {
	var grace map[string]string
	lists := []struct {
		name, separator string
		to              *map[string]string
		values          []string
	}{
		{name: "node-labels", separator: "=", to: &c.NodeLabels}, {name: "kube-reserved", separator: "=", to: &c.KubeReserved},
		{name: "system-reserved", separator: "=", to: &c.SystemReserved}, {name: "eviction-hard", separator: "<", to: &c.EvictionHard},
		{name: "eviction-soft", separator: "<", to: &c.EvictionSoft}, {name: "eviction-soft-grace-period", separator: "=", to: &grace},
	}
	for i := range lists {
		fs.StringArrayVar(&lists[i].values, lists[i].name, nil, "")
	}
	var taints string // given again, the flag replaces what it said before
	fs.StringVar(&taints, "register-with-taints", "", "")
	fs.IntVar(&c.MaxPods, "max-pods", 0, "")
	fs.IntVar(&c.PodsPerCore, "pods-per-core", 0, "")
	fs.StringSliceVar(&c.ClusterDNS, "cluster-dns", nil, "")
	fs.StringVar(&c.ProviderID, "provider-id", "", "")
	fs.StringVar(&c.NodeIP, "node-ip", "", "")
	fs.StringVar(&c.HostnameOverride, "hostname-override", "", "")
	evictionMax := fs.Int("eviction-max-pod-grace-period", 0, "")
	imageHigh := fs.Int("image-gc-high-threshold", defaultImageGCHigh, "")
	imageLow := fs.Int("image-gc-low-threshold", defaultImageGCLow, "")
	quota := fs.Bool("cpu-cfs-quota", true, "")
	return func() (err error) {
		for _, l := range lists {
			if *l.to, err = parseMap(l.values, l.separator); err != nil {
				return fmt.Errorf("kubelet: invalid argument for --%s: %w", l.name, err)
			}
		}
		if c.Taints, err = parseTaints(taints); err != nil {
			return fmt.Errorf("kubelet: invalid argument for --register-with-taints: %w", err)
		}
		if *imageLow >= *imageHigh {
			return fmt.Errorf("kubelet: --image-gc-low-threshold %d must be less than --image-gc-high-threshold %d", *imageLow, *imageHigh)
		}
		c.EvictionMaxGrace, c.CPUCFSQuota = given(fs, "eviction-max-pod-grace-period", evictionMax), given(fs, "cpu-cfs-quota", quota)
		c.ImageGCHigh, c.ImageGCLow = given(fs, "image-gc-high-threshold", imageHigh), given(fs, "image-gc-low-threshold", imageLow)
		c.EvictionSoftGrace, err = parseGrace(grace)
		return err
	}
}

// ignored lists flags that a kubelet takes and that decide nothing here, by kind of value.
var ignored = map[string][]string{
	"string": {"config", "config-dir", "kubeconfig", "bootstrap-kubeconfig", "cloud-provider", "cloud-config", "container-runtime-endpoint", "image-service-endpoint", "cpu-manager-policy", "cpu-cfs-quota-period",
		"topology-manager-policy", "topology-manager-scope", "memory-manager-policy", "reserved-cpus", "reserved-memory", "cluster-domain", "container-log-max-size", "cgroup-driver", "cgroup-root", "kubelet-cgroups",
		"runtime-cgroups", "system-cgroups", "system-reserved-cgroup", "kube-reserved-cgroup", "tls-cert-file", "tls-private-key-file", "tls-min-version", "client-ca-file", "authorization-mode", "address",
		"eviction-minimum-reclaim", "eviction-pressure-transition-period", "feature-gates", "hairpin-mode", "image-credential-provider-config", "image-credential-provider-bin-dir",
		"node-status-update-frequency", "resolv-conf", "root-dir", "cert-dir", "streaming-connection-idle-timeout", "sync-frequency", "pod-manifest-path", "pod-cidr", "minimum-image-ttl-duration", "vmodule", "log-flush-frequency",
		"logging-format", "max-parallel-image-pulls"},
	"int": {"v", "port", "read-only-port", "healthz-port", "registry-qps", "registry-burst", "event-qps", "event-burst", "kube-api-qps", "kube-api-burst", "pod-max-pids",
		"container-log-max-files", "max-open-files", "node-status-max-images", "oom-score-adj", "iptables-drop-bit", "iptables-masquerade-bit"},
	"bool": {"anonymous-auth", "authentication-token-webhook", "enable-controller-attach-detach", "enable-debugging-handlers", "enable-server", "exit-on-lock-contention", "fail-swap-on", "kernel-memcg-notification",
		"local-storage-capacity-isolation", "make-iptables-util-chains", "protect-kernel-defaults", "register-node", "rotate-certificates", "rotate-server-certificates", "runonce", "seccomp-default", "serialize-image-pulls",
		"cgroups-per-qos", "contention-profiling", "fail-cgroupv1"},
	"list": {"allowed-unsafe-sysctls", "enforce-node-allocatable", "tls-cipher-suites", "cpu-manager-policy-options", "topology-manager-policy-options", "qos-reserved"},
}

// A kubelet's own thresholds of image garbage collection, percent.
const (
	defaultImageGCHigh = 85
	defaultImageGCLow  = 80
)

func given[T any](fs *pflag.FlagSet, name string, value *T) *T {
	if !fs.Changed(name) {
		return nil
	}
	return value
}

// parseGrace reads the grace periods of soft eviction; nil when the flag was not given.
func parseGrace(periods map[string]string) (map[string]time.Duration, error) {
	if periods == nil {
		return nil, nil
	}
	out := map[string]time.Duration{}
	for signal, period := range periods {
		if !evictionSignals[signal] {
			return nil, fmt.Errorf("kubelet: unknown eviction signal %q", signal)
		}
		d, err := time.ParseDuration(period)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("kubelet: invalid eviction grace period of %s: %q", signal, period)
		}
		out[signal] = d
	}
	return out, nil
}

func addIgnored(fs *pflag.FlagSet) {
	for _, name := range ignored["string"] {
		fs.String(name, "", "")
	}
	for _, name := range ignored["int"] {
		fs.Int(name, 0, "")
	}
	for _, name := range ignored["bool"] {
		fs.Bool(name, false, "")
	}
	for _, name := range ignored["list"] {
		fs.StringSlice(name, nil, "")
	}
}

// parseMap reads "k<sep>v,k<sep>v" lists; nil when the flag was not given, so that an empty list differs from none.
func parseMap(values []string, sep string) (map[string]string, error) {
	if values == nil {
		return nil, nil
	}
	out := map[string]string{}
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if item == "" {
				continue
			}
			k, v, ok := strings.Cut(item, sep)
			if !ok {
				return nil, fmt.Errorf("malformed pair, expect string%sstring, got %q", sep, item)
			}
			out[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return out, nil
}

// parseTaints reads a list of "key=value:Effect" and "key:Effect".
func parseTaints(list string) ([]corev1.Taint, error) {
	var out []corev1.Taint
	for item := range strings.SplitSeq(list, ",") {
		if item == "" {
			continue
		}
		t, err := parseTaint(item)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o corev1.Taint) bool { return o.MatchTaint(&t) }) {
			return nil, fmt.Errorf("duplicated taints with the same key and effect: %s", item)
		}
		out = append(out, t)
	}
	return out, nil
}

func parseTaint(item string) (corev1.Taint, error) {
	i := strings.LastIndex(item, ":")
	if i < 0 {
		return corev1.Taint{}, fmt.Errorf("invalid taint spec %q: no effect", item)
	}
	key, value, _ := strings.Cut(item[:i], "=")
	t := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(item[i+1:])}
	if errs := validation.IsQualifiedName(key); len(errs) > 0 {
		return t, fmt.Errorf("invalid taint spec %q: %s", item, strings.Join(errs, "; "))
	}
	if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
		return t, fmt.Errorf("invalid taint spec %q: %s", item, strings.Join(errs, "; "))
	}
	switch t.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		return t, nil
	}
	return t, fmt.Errorf("invalid taint effect %q in %q", t.Effect, item)
}

// reservable are the resources that may be reserved.
var reservable = map[string]bool{"cpu": true, "memory": true, "ephemeral-storage": true, "pid": true}

// evictionSignals are the signals a threshold may name.
var evictionSignals = map[string]bool{"memory.available": true, "nodefs.available": true, "nodefs.inodesFree": true, "imagefs.available": true,
	"imagefs.inodesFree": true, "containerfs.available": true, "containerfs.inodesFree": true, "allocatableMemory.available": true, "pid.available": true}

func (c Config) validate() error {
	if c.MaxPods < 0 {
		return fmt.Errorf("kubelet: --max-pods must not be negative, got %d", c.MaxPods)
	}
	if err := ValidateLabels(c.NodeLabels); err != nil {
		return err
	}
	for name, reserved := range map[string]map[string]string{"kube-reserved": c.KubeReserved, "system-reserved": c.SystemReserved} {
		for r, q := range reserved {
			if !reservable[r] {
				return fmt.Errorf("kubelet: cannot reserve %q resource (--%s)", r, name)
			}
			quantity, err := resource.ParseQuantity(q)
			if err != nil {
				return fmt.Errorf("kubelet: --%s: failed to parse quantity %q for %q resource: %w", name, q, r, err)
			}
			if quantity.Sign() < 0 {
				return fmt.Errorf("kubelet: --%s: resource quantity for %q cannot be negative: %s", name, r, q)
			}
		}
	}
	for _, thresholds := range []map[string]string{c.EvictionHard, c.EvictionSoft} {
		for signal, value := range thresholds {
			if !evictionSignals[signal] {
				return fmt.Errorf("kubelet: unknown eviction signal %q", signal)
			}
			if _, err := threshold(value, 1<<40); err != nil {
				return fmt.Errorf("kubelet: eviction threshold of %s: %w", signal, err)
			}
		}
	}
	for signal := range c.EvictionSoft {
		if _, ok := c.EvictionSoftGrace[signal]; !ok {
			return fmt.Errorf("kubelet: grace period must be specified for the soft eviction threshold %s", signal)
		}
	}
	for _, ip := range c.ClusterDNS {
		if net.ParseIP(ip) == nil {
			return fmt.Errorf("kubelet: invalid --cluster-dns address %q", ip)
		}
	}
	if c.NodeIP != "" && net.ParseIP(c.NodeIP) == nil {
		return fmt.Errorf("kubelet: bad --node-ip %q", c.NodeIP)
	}
	return nil
}

// ValidateLabels refuses labels that are malformed or that a kubelet may not put on its own node.
func ValidateLabels(labels map[string]string) error {
	var unknown []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if errs := validation.IsQualifiedName(k); len(errs) > 0 {
			return fmt.Errorf("kubelet: invalid node label key %q: %s", k, strings.Join(errs, "; "))
		}
		if errs := validation.IsValidLabelValue(labels[k]); len(errs) > 0 {
			return fmt.Errorf("kubelet: invalid value %q of node label %s: %s", labels[k], k, strings.Join(errs, "; "))
		}
		if reservedNamespace(k) && !kubeletapis.IsKubeletLabel(k) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("kubelet: unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: %v", unknown)
	}
	return nil
}

// reservedNamespace tells whether a label key belongs to the project's own namespaces or their subdomains.
func reservedNamespace(key string) bool {
	namespace, _, ok := strings.Cut(key, "/")
	if !ok {
		return false
	}
	for _, reserved := range []string{"kubernetes.io", "k8s.io"} {
		if namespace == reserved || strings.HasSuffix(namespace, "."+reserved) {
			return true
		}
	}
	return false
}

// ParseLabels reads the "k=v,k=v" list of initial node labels and applies the kubelet's rules to it.
func ParseLabels(list string) (map[string]string, error) {
	labels, err := parseMap([]string{list}, "=")
	if err != nil {
		return nil, fmt.Errorf("kubelet: initial node labels: %w", err)
	}
	return labels, ValidateLabels(labels)
}
