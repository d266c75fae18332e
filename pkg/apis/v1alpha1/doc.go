// Package v1alpha1 is the API of karpenter-oke: the OciNodeClass kind and the labels, annotations and tags that the
// controller writes on nodes, NodeClaims and OCI instances.
//
// +k8s:deepcopy-gen=package,register
// +groupName=karpenter.k8s.oracle
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Group is the API group of OciNodeClass and the prefix of every label and annotation of this project.
const Group = "karpenter.k8s.oracle"

// GroupVersion is the API group and version of the kinds in this package.
var GroupVersion = schema.GroupVersion{Group: Group, Version: "v1alpha1"}

// Karpenter core reads node classes through client-go's global scheme, so the kinds are registered there.
func init() {
	metav1.AddToGroupVersion(scheme.Scheme, GroupVersion)
	scheme.Scheme.AddKnownTypes(GroupVersion, &OciNodeClass{}, &OciNodeClassList{})
}
