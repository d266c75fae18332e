package world

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// store is the API server of a World: what core reads, in memory. controller-runtime's fake client encodes every object on every call,
// which would be most of the time of a run; this one copies, as the informer cache does. A call that core does not make in these runs is
// answered by an error, not by an empty answer.
type store struct {
	client.Client // nil: writing goes past the store

	nodeClass  *v1alpha1.OciNodeClass
	nodePool   *karpv1.NodePool
	daemonSets []appsv1.DaemonSet
	nodes      map[string]*corev1.Node
	nodeClaims map[string]*karpv1.NodeClaim
	// podsOn are the pods by the node that they are bound to; those of no node are pending. Lists are in the order of arrival.
	podsOn map[string][]*corev1.Pod
}

func newStore(nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool, daemonSets []appsv1.DaemonSet) *store {
	return &store{
		nodeClass: nodeClass, nodePool: nodePool, daemonSets: daemonSets,
		nodes: map[string]*corev1.Node{}, nodeClaims: map[string]*karpv1.NodeClaim{}, podsOn: map[string][]*corev1.Pod{},
	}
}

// Get implements client.Reader.
func (s *store) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch o := into.(type) {
	case *v1alpha1.OciNodeClass:
		if key.Name == s.nodeClass.Name {
			s.nodeClass.DeepCopyInto(o)
			return nil
		}
	case *karpv1.NodePool:
		if key.Name == s.nodePool.Name {
			s.nodePool.DeepCopyInto(o)
			return nil
		}
	case *karpv1.NodeClaim:
		if found, ok := s.nodeClaims[key.Name]; ok {
			found.DeepCopyInto(o)
			return nil
		}
	case *corev1.Node:
		if found, ok := s.nodes[key.Name]; ok {
			found.DeepCopyInto(o)
			return nil
		}
	case *storagev1.CSINode: // there are none
	default:
		return fmt.Errorf("this cluster in memory has no %T", into)
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", into)}, key.Name)
}

// List implements client.Reader.
func (s *store) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	switch list := into.(type) {
	case *corev1.PodList:
		pods, err := s.pods(options)
		if err != nil {
			return err
		}
		list.Items = pods
	case *karpv1.NodePoolList:
		list.Items = []karpv1.NodePool{*s.nodePool.DeepCopy()}
	case *appsv1.DaemonSetList:
		list.Items = nil
		for i := range s.daemonSets {
			list.Items = append(list.Items, *s.daemonSets[i].DeepCopy())
		}
	case *policyv1.PodDisruptionBudgetList:
		list.Items = nil
	default:
		return fmt.Errorf("this cluster in memory does not list %T", into)
	}
	return nil
}

// pods serves the one list of pods that core makes here: by the name of the node.
func (s *store) pods(options *client.ListOptions) ([]corev1.Pod, error) {
	if options.FieldSelector == nil {
		return nil, fmt.Errorf("this cluster in memory lists pods by their node only")
	}
	node, ok := options.FieldSelector.RequiresExactMatch("spec.nodeName")
	if !ok {
		return nil, fmt.Errorf("this cluster in memory lists pods by their node only, not by %s", options.FieldSelector)
	}
	pods := make([]corev1.Pod, len(s.podsOn[node]))
	for i, p := range s.podsOn[node] {
		p.DeepCopyInto(&pods[i])
	}
	return pods, nil
}
