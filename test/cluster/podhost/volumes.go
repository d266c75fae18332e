package podhost

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// mount writes the files of a container's volumes below its root folder.
func mount(ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod, c *corev1.Container, root string) error {
	for _, m := range c.VolumeMounts {
		for _, v := range pod.Spec.Volumes {
			if v.Name != m.Name {
				continue
			}
			files, err := volumeFiles(ctx, kube, pod, &v)
			if err != nil {
				return fmt.Errorf("volume %s: %w", v.Name, err)
			}
			if err := writeFiles(filepath.Join(root, filepath.FromSlash(path.Clean("/"+m.MountPath))), files); err != nil {
				return fmt.Errorf("volume %s: %w", v.Name, err)
			}
		}
	}
	return nil
}

// writeFiles writes a volume; everybody in the container may read it, and nobody write.
func writeFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o444); err != nil {
			return err
		}
	}
	return nil
}

func volumeFiles(ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod, v *corev1.Volume) (map[string][]byte, error) {
	switch {
	case v.Projected != nil:
		files := map[string][]byte{}
		for i := range v.Projected.Sources {
			if err := project(ctx, kube, pod, &v.Projected.Sources[i], files); err != nil {
				return nil, err
			}
		}
		return files, nil
	case v.Secret != nil:
		secret, err := kube.CoreV1().Secrets(pod.Namespace).Get(ctx, v.Secret.SecretName, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return secret.Data, nil
	default:
		return nil, fmt.Errorf("volumes of its kind are not done here")
	}
}

// project adds the files of one source of a projected volume. The token is one of the API server's own, bound to the pod. It is not renewed:
// pods live for minutes here, and tokens for an hour.
func project(ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod, source *corev1.VolumeProjection, files map[string][]byte) error {
	switch {
	case source.ServiceAccountToken != nil:
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: source.ServiceAccountToken.ExpirationSeconds,
			BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
		}}
		if audience := source.ServiceAccountToken.Audience; audience != "" {
			request.Spec.Audiences = []string{audience}
		}
		token, err := kube.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("asking for the token of %s: %w", pod.Spec.ServiceAccountName, err)
		}
		files[source.ServiceAccountToken.Path] = []byte(token.Status.Token)
	case source.ConfigMap != nil:
		config, err := kube.CoreV1().ConfigMaps(pod.Namespace).Get(ctx, source.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, item := range source.ConfigMap.Items {
			data, ok := config.Data[item.Key]
			if err := missing(ok, ptr.To(false), "config map", config.Name, item.Key); err != nil {
				return err
			}
			files[item.Path] = []byte(data)
		}
	case source.DownwardAPI != nil:
		for _, item := range source.DownwardAPI.Items {
			if item.FieldRef == nil {
				return fmt.Errorf("%s is no field", item.Path)
			}
			value, err := field(pod, item.FieldRef.FieldPath)
			if err != nil {
				return err
			}
			files[item.Path] = []byte(value)
		}
	default:
		return fmt.Errorf("a source of its kind is not done here")
	}
	return nil
}
