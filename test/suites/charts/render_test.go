package charts_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// deployment is the rendered Deployment.
func deployment(t *testing.T, args ...string) *appsv1.Deployment {
	t.Helper()
	object := only(t, render(t, args...), "Deployment", "karpenter-oke")
	d := &appsv1.Deployment{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, d, true))
	return d
}

func controllerArgs(t *testing.T, args ...string) []string {
	t.Helper()
	return deployment(t, args...).Spec.Template.Spec.Containers[0].Args
}
