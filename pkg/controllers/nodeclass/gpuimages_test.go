package nodeclass_test

import (
	"context"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclass"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// offered are the instance types of NodePools by their names, as long as images bound nothing.
type offered map[string][]*cloudprovider.InstanceType

func (o offered) List(_ context.Context, nodeClass *v1alpha1.OciNodeClass, pool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	if o == nil {
		return nil, instancetype.ErrNotLoaded
	}
	if len(nodeClass.Status.Images) > 0 {
		return nil, nil // a list that images bound says nothing of what was asked
	}
	return o[pool.Name], nil
}

func machineType(arch, gpu string) *cloudprovider.InstanceType {
	maker := scheduling.NewRequirement(v1alpha1.LabelInstanceGPUManufacturer, corev1.NodeSelectorOpDoesNotExist)
	if gpu != "" {
		maker = scheduling.NewRequirement(v1alpha1.LabelInstanceGPUManufacturer, corev1.NodeSelectorOpIn, gpu)
	}
	return &cloudprovider.InstanceType{Name: arch + gpu, Requirements: scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, arch), maker)}
}

func TestAClassWithoutImagesForTheGPUsThatNodePoolsAskForSaysSo(t *testing.T) {
	arch := corev1.NodeSelectorRequirement{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}}
	image := func(name string, gpu ...corev1.NodeSelectorRequirement) v1alpha1.Image {
		return v1alpha1.Image{ID: "ocid1.image.oc1.." + name, Name: name, Requirements: append([]corev1.NodeSelectorRequirement{arch}, gpu...)}
	}
	plain := image("Oracle-Linux-8.10-OKE", corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceGPUManufacturer, Operator: corev1.NodeSelectorOpDoesNotExist})
	nvidia := image("Oracle-Linux-8.10-Gen2-GPU-OKE", corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceGPUManufacturer, Operator: corev1.NodeSelectorOpIn, Values: []string{"nvidia"}})
	custom := image("mine")
	gpus, mixed := []*cloudprovider.InstanceType{machineType("amd64", "nvidia")}, []*cloudprovider.InstanceType{machineType("amd64", "nvidia"), machineType("amd64", "")}
	for name, tt := range map[string]struct {
		images []v1alpha1.Image
		types  offered
		status metav1.ConditionStatus // empty: the class does not have the condition
		says   string
	}{
		"an image without drivers":                       {[]v1alpha1.Image{plain}, offered{"gpu": gpus}, "False", "NodePool gpu asks for machines with GPUs (nvidia), and no image of the class is made for them, so none is launched; imageSelector finds: Oracle-Linux-8.10-OKE."},
		"one with drivers of the other maker":            {[]v1alpha1.Image{plain, nvidia}, offered{"gpu": {machineType("amd64", "amd")}}, "False", "(amd)"},
		"an image of another architecture":               {[]v1alpha1.Image{nvidia}, offered{"gpu": {machineType("arm64", "nvidia")}}, "False", "NodePool gpu asks"},
		"two NodePools":                                  {[]v1alpha1.Image{plain}, offered{"gpu": gpus, "web": gpus}, "False", "NodePool gpu, web asks"},
		"an image with drivers":                          {[]v1alpha1.Image{plain, nvidia}, offered{"gpu": gpus}, "True", ""},
		"one maker of two is enough":                     {[]v1alpha1.Image{plain, nvidia}, offered{"gpu": {machineType("amd64", "nvidia"), machineType("amd64", "amd")}}, "True", ""},
		"an image of one's own raises no alarm":          {[]v1alpha1.Image{custom}, offered{"gpu": gpus}, "True", "does not say whether it has drivers for GPUs: mine"},
		"a NodePool that may have other machines":        {[]v1alpha1.Image{plain}, offered{"gpu": mixed}, "", ""},
		"a NodePool without any machine":                 {[]v1alpha1.Image{plain}, offered{}, "", ""},
		"before shapes are known nothing is said":        {[]v1alpha1.Image{plain}, nil, "", ""},
		"a class without any image has other conditions": {nil, offered{"gpu": gpus}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			class := &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Status: v1alpha1.OciNodeClassStatus{Images: tt.images}}
			objects := []client.Object{class}
			for pool, className := range map[string]string{"gpu": "default", "web": "default", "elsewhere": "another"} {
				p := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: pool}}
				p.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: className}
				objects = append(objects, p)
			}
			if tt.types != nil {
				tt.types["elsewhere"] = gpus
			}
			kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).WithStatusSubresource(class).Build()
			controller := nodeclass.NewGPUImagesController(kube, tt.types)
			reconcile := func() *v1alpha1.OciNodeClass {
				require.NoError(t, kube.Get(t.Context(), client.ObjectKeyFromObject(class), class))
				_, err := controller.Reconcile(t.Context(), class)
				require.NoError(t, err)
				require.NoError(t, kube.Get(t.Context(), client.ObjectKeyFromObject(class), class))
				return class
			}
			condition := reconcile().StatusConditions().Get(v1alpha1.ConditionTypeGPUImageReady)
			if tt.status == "" {
				require.Nil(t, condition)
				return
			}
			require.Equal(t, tt.status, condition.Status)
			require.Contains(t, condition.Message, tt.says)
			require.False(t, lo.Contains(v1alpha1.ReadyConditionTypes, v1alpha1.ConditionTypeGPUImageReady), "other NodePools may use the class")
			before := class.ResourceVersion
			require.Equal(t, before, reconcile().ResourceVersion, "what has not changed is not written")
			for pool := range tt.types {
				tt.types[pool] = mixed
			}
			require.Nil(t, reconcile().StatusConditions().Get(v1alpha1.ConditionTypeGPUImageReady), "nobody asks any more")
		})
	}
}
