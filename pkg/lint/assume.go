package lint

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

// The virtual nodes that may be assumed, by what their pods run on.
const (
	X86  = "x86"
	Arm  = "arm"
	None = "none"
)

var architectures = map[string]string{X86: karpv1.ArchitectureAmd64, Arm: karpv1.ArchitectureArm64}

// podsPerVirtualNode is how many pods OKE runs on a virtual node (Oracle: Scaling Virtual Nodes).
const podsPerVirtualNode = 1000

// cluster is what is known of the cluster: what the input holds of it, and what is assumed for the rest.
type cluster struct {
	objects []client.Object
	// virtual are its virtual nodes.
	virtual []*corev1.Node
	// assumptions say in words what the input did not say.
	assumptions []string
}

// contextOf returns an object to read one of the kinds into that bear on other objects' layers; nil for all other kinds.
func contextOf(d manifest.Document) client.Object {
	group, _, found := strings.Cut(d.APIVersion(), "/")
	if !found {
		group = ""
	}
	switch (schema.GroupKind{Group: group, Kind: d.Kind()}) {
	case schema.GroupKind{Kind: "Namespace"}:
		return &corev1.Namespace{}
	case schema.GroupKind{Kind: "Node"}:
		return &corev1.Node{}
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		return &corev1.PersistentVolumeClaim{}
	case schema.GroupKind{Kind: "PersistentVolume"}:
		return &corev1.PersistentVolume{}
	case schema.GroupKind{Group: storagev1.GroupName, Kind: "StorageClass"}:
		return &storagev1.StorageClass{}
	case schema.GroupKind{Group: "karpenter.sh", Kind: "NodePool"}:
		return &karpv1.NodePool{}
	}
	return nil
}

// assume adds what the input did not say: virtual nodes, and one NodePool that makes nodes of every kind.
func (c *cluster) assume(o Options) error {
	pools := false
	for _, object := range c.objects {
		switch object := object.(type) {
		case *corev1.Node:
			if o.Filter.IsVirtual(object) {
				c.virtual = append(c.virtual, object)
			}
		case *karpv1.NodePool:
			pools = true
		}
	}
	if len(c.virtual) == 0 {
		if err := c.assumeVirtualNodes(o); err != nil {
			return err
		}
	}
	if !pools {
		c.assumptions = append(c.assumptions, "a NodePool that makes nodes of every size, architecture and zone, with no taints and no labels of its own")
		general := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "assumed", Generation: 1}}
		general.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: "karpenter.k8s.oracle", Kind: "OciNodeClass", Name: "assumed"}
		c.objects = append(c.objects, general)
	}
	return nil
}

func (c *cluster) assumeVirtualNodes(o Options) error {
	if err := ValidateVirtualNodes(o.VirtualNodes); err != nil {
		return err
	}
	if len(o.VirtualNodes) == 0 || o.VirtualNodes[0] == None {
		c.assumptions = append(c.assumptions, "no virtual node")
		return nil
	}
	for _, name := range o.VirtualNodes {
		node := assumedNode(name, architectures[name], o)
		c.virtual = append(c.virtual, node)
		c.objects = append(c.objects, node)
	}
	labels := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: withoutArch(c.virtual[0].Labels)})
	c.assumptions = append(c.assumptions, fmt.Sprintf("Ready virtual nodes (%s) with the taint %s and the labels %s",
		strings.Join(o.VirtualNodes, ", "), o.Filter.Taint.ToString(), labels))
	return nil
}

// ValidateVirtualNodes returns an error when names are not those of virtual nodes to assume.
func ValidateVirtualNodes(names []string) error {
	for _, name := range names {
		if _, ok := architectures[name]; !ok && (name != None || len(names) > 1) {
			return fmt.Errorf("virtual nodes to assume: %q: want %s, %s, both, or %s alone", strings.Join(names, ","), X86, Arm, None)
		}
	}
	return nil
}

func withoutArch(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	delete(out, corev1.LabelArchStable)
	return out
}

// assumedNode returns a Ready virtual node with room, that carries the taint and every label that marks one.
func assumedNode(name, arch string, o Options) *corev1.Node {
	labels := map[string]string{corev1.LabelArchStable: arch, corev1.LabelOSStable: string(corev1.Linux)}
	for _, m := range o.Filter.Markers.Labels {
		labels[m.Key] = m.Value
	}
	maps.Copy(labels, o.VirtualNodeLabels)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "assumed-" + name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{o.Filter.Taint}},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(podsPerVirtualNode, resource.DecimalSI)},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
}

// filter returns the production filter, fed with this cluster.
func (c *cluster) filter(o Options) (*virtualnode.Filter, error) {
	index := virtualnode.NewIndex(o.Filter, o.Clock)
	if err := index.Ensure(context.Background(), reader{objects: c.objects}); err != nil {
		return nil, err
	}
	return virtualnode.NewFilter(o.Filter, index, o.Clock), nil
}

// reader lists objects from memory. It holds no pods, so that every virtual node has room.
type reader struct {
	client.Reader
	objects []client.Object
}

// Get gives the object of this kind and name.
func (r reader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	for _, object := range r.objects {
		if reflect.TypeOf(object) == reflect.TypeOf(into) && client.ObjectKeyFromObject(object) == key {
			reflect.ValueOf(into).Elem().Set(reflect.ValueOf(object).Elem())
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.String())
}

// List gives all objects of the list's kind.
func (r reader) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	items, err := meta.GetItemsPtr(list)
	if err != nil {
		return err
	}
	want := reflect.PointerTo(reflect.TypeOf(items).Elem().Elem())
	var found []runtime.Object
	for _, object := range r.objects {
		if reflect.TypeOf(object) == want {
			found = append(found, object)
		}
	}
	return meta.SetList(list, found)
}
