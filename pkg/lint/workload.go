package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

// workload is an object that makes pods, or a pod.
type workload struct {
	document manifest.Document
	// pod is what its controller would create, as far as it bears on the layer.
	pod *corev1.Pod
	// unknown are the fields that Kubernetes does not know, which the API server would drop or refuse.
	unknown []string
}

// isWorkload tells whether an object is a pod or holds a template of pods. Custom kinds that hold one where Deployments do count.
func isWorkload(d manifest.Document) bool {
	switch d.Kind() {
	case "Pod", "PodTemplate", "CronJob", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job":
		return d.Object["spec"] != nil || d.Object["template"] != nil
	}
	_, ok := manifest.At(d.Object, "spec", "template", "spec", "containers").([]any)
	return ok
}

// Pod returns the pod that a workload's controller would create, or the pod itself, as far as it bears on the layer. ok is false for
// an object that makes no pods. namespace is of workloads that name none. The error says which field can not be read.
func Pod(d manifest.Document, namespace string) (pod *corev1.Pod, ok bool, err error) {
	if !isWorkload(d) {
		return nil, false, nil
	}
	w, err := newWorkload(d, namespace)
	if err != nil {
		return nil, true, err
	}
	return w.pod, true, nil
}

// templatePath is where a kind holds its pod template.
func templatePath(kind string) []string {
	switch kind {
	case "Pod":
		return nil
	case "PodTemplate":
		return []string{"template"}
	case "CronJob":
		return []string{"spec", "jobTemplate", "spec", "template"}
	}
	return []string{"spec", "template"}
}

// newWorkload reads a workload. namespace is of those that name none. The error says which field can not
// be read.
func newWorkload(d manifest.Document, namespace string) (*workload, error) {
	path := templatePath(d.Kind())
	fields, ok := manifest.At(d.Object, path...).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: %s %s: it has no %s", d.Place(), d.Kind(), d.Name(), strings.Join(path, "."))
	}
	w := &workload{document: d, pod: &corev1.Pod{}}
	// A template holds metadata and spec, as a pod does. Its status is of no interest, and old.
	fields = maps.Clone(fields)
	maps.DeleteFunc(fields, func(key string, value any) bool { return key == "status" || value == nil })
	unknown, err := decode(d, fields, w.pod, path)
	if err != nil {
		return nil, err
	}
	w.unknown = unknown
	if d.Kind() != "Pod" {
		w.pod.Name, w.pod.GenerateName = "", name(d)+"-"
		w.own(d)
	}
	w.pod.Namespace = d.Namespace()
	if w.pod.Namespace == "" {
		w.pod.Namespace = namespace
	}
	return w, nil
}

// name is the name, or what its beginning will be.
func name(d manifest.Document) string {
	if d.Name() != "" {
		return d.Name()
	}
	return manifest.Text(manifest.At(d.Object, "metadata", "generateName"))
}

// own adds what the kind's controller adds to pods and that bears on their layer.
func (w *workload) own(d manifest.Document) {
	owner := metav1.OwnerReference{APIVersion: d.APIVersion(), Kind: d.Kind(), Name: d.Name()}
	switch d.Kind() {
	case "Deployment":
		owner.Kind = "ReplicaSet"
	case "CronJob":
		owner.Kind = "Job"
	case "DaemonSet": // under its present group, whatever old one the manifest names
		owner.APIVersion = appsv1.SchemeGroupVersion.String()
	case "StatefulSet":
		// The controller gives each pod a host name of its own in the domain of the service, and its claims as volumes.
		w.pod.Spec.Hostname = d.Name() + "-0"
		w.pod.Spec.Subdomain = manifest.Text(manifest.At(d.Object, "spec", "serviceName"))
		claims, _ := manifest.At(d.Object, "spec", "volumeClaimTemplates").([]any)
		for _, claim := range claims {
			claimName := manifest.Text(manifest.At(claim, "metadata", "name"))
			w.pod.Spec.Volumes = append(w.pod.Spec.Volumes, corev1.Volume{Name: claimName, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName + "-" + d.Name() + "-0"},
			}})
		}
	}
	if mode := completionMode(d); mode == string(batchv1.IndexedCompletion) && w.pod.Spec.Hostname == "" {
		w.pod.Spec.Hostname = d.Name() + "-0" // the controller of Jobs names the hosts of indexed ones
	}
	w.pod.OwnerReferences = []metav1.OwnerReference{owner}
}

func completionMode(d manifest.Document) string {
	switch d.Kind() {
	case "Job":
		return manifest.Text(manifest.At(d.Object, "spec", "completionMode"))
	case "CronJob":
		return manifest.Text(manifest.At(d.Object, "spec", "jobTemplate", "spec", "completionMode"))
	}
	return ""
}

// decode reads fields, which lie at the path of the document, into a typed object and returns the fields that its type does not
// have. The error names the field of a wrong type.
func decode(d manifest.Document, fields map[string]any, into any, path []string) (unknown []string, err error) {
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(fields, into, true)
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		for _, e := range strict.Errors() {
			unknown = append(unknown, e.Error())
		}
		return unknown, nil
	}
	if err == nil {
		return nil, nil
	}
	message := strings.Join(strings.Fields(err.Error()), " ")
	// The converter does not say where; the JSON decoder does.
	if text, jsonErr := json.Marshal(fields); jsonErr == nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(json.Unmarshal(text, into), &wrong) && wrong.Field != "" {
			where := strings.Join(append(append([]string{}, path...), wrong.Field), ".")
			message = fmt.Sprintf("%s can not be a %s", where, wrong.Value)
		}
	}
	return nil, fmt.Errorf("%s: %s %s: %s", d.Place(), d.Kind(), name(d), message)
}

// ownMetadata returns the annotations and labels of the object itself, not of its template.
func ownMetadata(d manifest.Document) map[string]string {
	out := map[string]string{}
	for _, part := range []string{"labels", "annotations"} {
		values, _ := manifest.At(d.Object, "metadata", part).(map[string]any)
		maps.Copy(out, toStrings(values))
	}
	return out
}

func toStrings(values map[string]any) map[string]string {
	out := make(map[string]string, len(values))
	for key, value := range values {
		out[key] = fmt.Sprint(value)
	}
	return out
}
