// Package nodeclass_test holds the schema of OciNodeClass to its word: every rule is tried with what it must accept and what it
// must reject, against a real API server.
package nodeclass_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	restclient "k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/cluster"
)

// definition is the schema under test.
const definition = "../../../pkg/apis/crds/karpenter.k8s.oracle_ocinodeclasses.yaml"

// plane is one control plane for the whole package; its start takes longer than all tests.
var plane *cluster.Plane

// classes talks to the plane's OciNodeClasses, rest to any path of its API server.
var (
	classes dynamic.ResourceInterface
	rest    restclient.Interface
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if plane, err = cluster.Start(ctx, cluster.Options{}); err != nil {
		return 0, err
	}
	defer func() {
		if stopErr := plane.Stop(ctx); err == nil {
			err = stopErr
		}
	}()
	if err := plane.ApplyFile(ctx, definition); err != nil {
		return 0, err
	}
	config := plane.RESTConfig()
	config.WarningHandler = restclient.NoWarnings{} // of fields that are not known; strict requests fail on them
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	plain, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return 0, err
	}
	rest = plain.RESTClient()
	classes = client.Resource(v1alpha1.GroupVersion.WithResource("ocinodeclasses"))
	return m.Run(), nil
}

// class is the smallest class that is valid, with a fragment of YAML over its spec. A field that is null in the fragment is left
// out.
func class(t *testing.T, fragment string) *unstructured.Unstructured {
	t.Helper()
	spec := map[string]any{
		"imageSelector":  []any{map[string]any{"name": "image"}},
		"subnetSelector": []any{map[string]any{"name": "nodes"}},
	}
	var over map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(fragment), &over), fragment)
	for key, value := range over {
		if value == nil {
			delete(spec, key)
			continue
		}
		spec[key] = value
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "OciNodeClass",
		"metadata": map[string]any{"name": "tried"}, "spec": spec,
	}}
}

// create asks the API server to accept a class, without keeping it. Fields that the schema does not know are errors.
func create(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	// The fragments' numbers come from YAML; JSON makes the kinds of number that the client can copy.
	data, err := json.Marshal(object.Object)
	if err != nil {
		return nil, err
	}
	sent := &unstructured.Unstructured{}
	if err := sent.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return classes.Create(ctx, sent, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
}

// decode reads an accepted class as the controller does. A class that the API server accepts and the controller can not read
// would stop the controller from seeing any class.
func decode(t *testing.T, accepted *unstructured.Unstructured) *v1alpha1.OciNodeClass {
	t.Helper()
	data, err := accepted.MarshalJSON()
	require.NoError(t, err)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	class := &v1alpha1.OciNodeClass{}
	require.NoError(t, decoder.Decode(class), "the API server accepted what the Go types can not hold")
	return class
}

// causes are the complaints about a class; nil when it is accepted.
func causes(t *testing.T, object *unstructured.Unstructured) []metav1.StatusCause {
	t.Helper()
	accepted, err := create(t.Context(), object)
	if err == nil {
		decode(t, accepted)
		return nil
	}
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.NotNil(t, status.Status().Details)
	require.NotEmpty(t, status.Status().Details.Causes)
	return status.Status().Details.Causes
}

// use calls everything that the API offers to read a class.
func use(class *v1alpha1.OciNodeClass) {
	copied := class.DeepCopy()
	_, _, _ = copied.Hash(), copied.HashByConcern(), copied.StatusConditions()
	_, _, _ = copied.ImageFamily(), copied.ImageAdoption(), copied.ImageSoak()
	_, _, _ = copied.BootVolumeSizeInGBs(), copied.BootVolumeVpusPerGB(), copied.KMSKeyIDs()
	_, _, _ = copied.PodNetworkingType(), copied.FlexBaselines(), copied.PreemptibleTaint()
	_, _ = v1alpha1.WithOwnership(copied.FreeformTags(), map[string]string{v1alpha1.TagClusterID: "c"})
	for _, term := range copied.Spec.SubnetSelector {
		term.Selector().Matches("a", map[string]string{"a": "b"}, map[string]map[string]any{"a": {"b": 1}})
	}
}
