// Package crds holds the definition of this project's kinds as the API server is given it.
package crds

import (
	_ "embed" // for the definition

	"github.com/awslabs/operatorpkg/object"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

//go:embed karpenter.k8s.oracle_ocinodeclasses.yaml
var ociNodeClass []byte

// OciNodeClass is the definition that this build was made for.
func OciNodeClass() *apiextensionsv1.CustomResourceDefinition {
	return object.Unmarshal[apiextensionsv1.CustomResourceDefinition](ociNodeClass)
}
