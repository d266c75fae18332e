package podhost

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// variable is a reference to a variable in an argument or value: $(NAME), and $$(NAME), which stands for itself.
var variable = regexp.MustCompile(`\$?\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)`)

// expand replaces references by values; what names no variable stays as it is.
func expand(text string, values map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		if value, ok := values[found[2:len(found)-1]]; ok {
			return value
		}
		return found
	})
}

// environment is what a container's process gets, given what every container of the cluster has: a later variable may refer to earlier ones.
func environment(ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod, c *corev1.Container, given map[string]string) (map[string]string, error) {
	if len(c.EnvFrom) > 0 {
		return nil, errors.New("envFrom is not done here")
	}
	values := map[string]string{}
	for name, value := range given {
		values[name] = value
	}
	for _, e := range c.Env {
		value, found := expand(e.Value, values), true
		if from := e.ValueFrom; from != nil {
			var err error
			if value, found, err = lookUp(ctx, kube, pod, from); err != nil {
				return nil, fmt.Errorf("variable %s: %w", e.Name, err)
			}
		}
		if found {
			values[e.Name] = value
		}
	}
	return values, nil
}

// lookUp reads what a variable is taken from; found is false for an optional source that is not there.
func lookUp(ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod, from *corev1.EnvVarSource) (value string, found bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = field(pod, from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err = amount(pod, from.ResourceFieldRef)
		return value, true, err
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		secret, err := kube.CoreV1().Secrets(pod.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, err
		}
		data, ok := secret.Data[ref.Key]
		return string(data), ok, missing(ok, ref.Optional, "secret", ref.Name, ref.Key)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		config, err := kube.CoreV1().ConfigMaps(pod.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, err
		}
		data, ok := config.Data[ref.Key]
		return data, ok, missing(ok, ref.Optional, "config map", ref.Name, ref.Key)
	default:
		return "", false, errors.New("its source is not known here")
	}
}

func missing(ok bool, optional *bool, kind, name, key string) error {
	if ok || optional != nil && *optional {
		return nil
	}
	return fmt.Errorf("%s %s has no key %s", kind, name, key)
}

// field is what the downward API gives of a pod.
func field(pod *corev1.Pod, path string) (string, error) {
	fields := map[string]string{
		"metadata.name": pod.Name, "metadata.namespace": pod.Namespace, "metadata.uid": string(pod.UID), "spec.nodeName": pod.Spec.NodeName,
		"spec.serviceAccountName": pod.Spec.ServiceAccountName, "status.podIP": loopback, "status.hostIP": loopback,
	}
	value, ok := fields[path]
	if !ok {
		return "", fmt.Errorf("the field %q is not known here", path)
	}
	return value, nil
}

// amount is a request or limit of a container as the downward API gives it: a whole number of divisors, rounded up.
func amount(pod *corev1.Pod, ref *corev1.ResourceFieldSelector) (string, error) {
	c, ok := lo.Find(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == ref.ContainerName })
	kind, name, _ := strings.Cut(ref.Resource, ".")
	list, known := map[string]corev1.ResourceList{"requests": c.Resources.Requests, "limits": c.Resources.Limits}[kind]
	quantity, set := list[corev1.ResourceName(name)]
	if !ok || !known || !set {
		return "", fmt.Errorf("container %q has no %s", ref.ContainerName, ref.Resource)
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if divisor.Cmp(resource.MustParse("1m")) == 0 {
		return strconv.FormatInt(quantity.MilliValue(), 10), nil
	}
	return strconv.FormatInt((quantity.Value()+divisor.Value()-1)/divisor.Value(), 10), nil
}

// mapPorts gives each port that a container declares a free one of this machine, since pods here share its network, and puts it into the
// arguments that name the declared one ("--metrics-port=8080"). Nothing else of the arguments changes.
func mapPorts(args []string, declared []corev1.ContainerPort, free func() (int32, error)) (mapped []string, ports map[int32]int32, err error) {
	mapped, ports = slices.Clone(args), map[int32]int32{}
	for _, p := range declared {
		if ports[p.ContainerPort], err = free(); err != nil {
			return nil, nil, err
		}
		said := false
		for i, arg := range args {
			if flag, ok := strings.CutSuffix(arg, fmt.Sprintf("-port=%d", p.ContainerPort)); ok {
				mapped[i], said = fmt.Sprintf("%s-port=%d", flag, ports[p.ContainerPort]), true
			}
		}
		if !said {
			return nil, nil, fmt.Errorf("port %d is in no argument, so it can not be mapped", p.ContainerPort)
		}
	}
	return mapped, ports, nil
}

// user is whom a container's process runs as. Root is refused where the pod says so.
func user(pod *corev1.Pod, c *corev1.Container, ofImage string) (uid, gid uint32, err error) {
	first, second, _ := strings.Cut(ofImage, ":")
	u, errU := strconv.ParseUint(lo.CoalesceOrEmpty(first, "0"), 10, 32)
	g, errG := strconv.ParseUint(lo.CoalesceOrEmpty(second, "0"), 10, 32)
	if err := errors.Join(errU, errG); err != nil {
		return 0, 0, fmt.Errorf("the image's user %q is no number: %w", ofImage, err)
	}
	nonRoot := false
	if p := pod.Spec.SecurityContext; p != nil {
		u, g = uint64(lo.FromPtrOr(p.RunAsUser, int64(u))), uint64(lo.FromPtrOr(p.RunAsGroup, int64(g)))
		nonRoot = lo.FromPtr(p.RunAsNonRoot)
	}
	if s := c.SecurityContext; s != nil {
		u, g = uint64(lo.FromPtrOr(s.RunAsUser, int64(u))), uint64(lo.FromPtrOr(s.RunAsGroup, int64(g)))
		nonRoot = lo.FromPtrOr(s.RunAsNonRoot, nonRoot)
	}
	if nonRoot && u == 0 {
		return 0, 0, errors.New("the container would run as root, which its security context forbids")
	}
	return uint32(u), uint32(g), nil
}
