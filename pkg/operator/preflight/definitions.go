package preflight

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/openapi"
	coreapis "sigs.k8s.io/karpenter/pkg/apis"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/crds"
)

// Definitions compares what the API server serves with what this build was made for. It reads the published schemas, which every account may,
// and not the definitions themselves. Fields that only the API server knows are those of a newer release and do no harm. The error names every
// definition that is missing or too old.
func Definitions(schemas openapi.Client) error {
	paths, err := schemas.Paths()
	if err != nil {
		return fmt.Errorf("reading which kinds the API server serves: %w", err)
	}
	var errs []error
	for _, d := range append([]*apiextensionsv1.CustomResourceDefinition{crds.OciNodeClass()}, coreapis.CRDs...) {
		for _, version := range d.Spec.Versions {
			if version.Served {
				errs = append(errs, compare(paths["apis/"+d.Spec.Group+"/"+version.Name], d, version))
			}
		}
	}
	return errors.Join(errs...)
}

// optional are kinds that are installed for some feature gates only; core says so itself when it needs one.
var optional = map[string]bool{"NodeOverlay": true, "CapacityBuffer": true}

func compare(served openapi.GroupVersion, d *apiextensionsv1.CustomResourceDefinition, version apiextensionsv1.CustomResourceDefinitionVersion) error {
	schema, err := publishedSchema(served, d.Spec.Group, version.Name, d.Spec.Names.Kind)
	if err != nil {
		return err
	}
	if schema == nil {
		if optional[d.Spec.Names.Kind] {
			return nil
		}
		return fmt.Errorf("the definition %s %s is not installed; install the chart karpenter-oke-crd", d.Name, version.Name)
	}
	lacks := lacking(version.Schema.OpenAPIV3Schema, schema, "")
	if len(lacks) == 0 {
		return nil
	}
	more := ""
	if len(lacks) > 1 {
		more = fmt.Sprintf(" and %d more", len(lacks)-1)
	}
	return fmt.Errorf("the definition %s is older than this controller: it lacks %s%s; upgrade the chart karpenter-oke-crd to the controller's version", d.Name, lacks[0], more)
}

// schema is as much of a published schema as is compared.
type schema struct {
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
	Kinds                []struct {
		Group, Version, Kind string
	} `json:"x-kubernetes-group-version-kind"`
}

// publishedSchema finds the schema of a kind; nil when it is not served.
func publishedSchema(served openapi.GroupVersion, group, version, kind string) (*schema, error) {
	if served == nil {
		return nil, nil
	}
	text, err := served.Schema("application/json")
	if err != nil {
		return nil, fmt.Errorf("reading the schema of %s/%s: %w", group, version, err)
	}
	var document struct {
		Components struct {
			Schemas map[string]*schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading the schema of %s/%s: %w", group, version, err)
	}
	for _, name := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
		for _, is := range document.Components.Schemas[name].Kinds {
			if is.Group == group && is.Version == version && is.Kind == kind {
				return document.Components.Schemas[name], nil
			}
		}
	}
	return nil, nil
}

// lacking are the fields of want that got does not have, in order; of a field that is missing, not what is in it.
func lacking(want *apiextensionsv1.JSONSchemaProps, got *schema, path string) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(want.Properties)) {
		if path == "" && name == "metadata" {
			continue // the API server's own
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		inner, there := got.Properties[name]
		if !there {
			out = append(out, at)
			continue
		}
		next := want.Properties[name]
		out = append(out, lacking(&next, inner, at)...)
	}
	if want.Items != nil && want.Items.Schema != nil && got.Items != nil {
		out = append(out, lacking(want.Items.Schema, got.Items, path+"[]")...)
	}
	if want.AdditionalProperties != nil && want.AdditionalProperties.Schema != nil {
		values := &schema{}
		if json.Unmarshal(got.AdditionalProperties, values) == nil {
			out = append(out, lacking(want.AdditionalProperties.Schema, values, path+"{}")...)
		}
	}
	return out
}
