// Package bounded holds plain Go types that carry limits of the schema. The generator reads limits of a map's values only when
// the values' type is of another package, and an API server refuses rules about maps without limits: they could cost too much.
package bounded

// TagValue is the value of a tag (OCI's limit: 256 characters).
// +kubebuilder:validation:MaxLength=256
type TagValue = string

// TagKeys are keys of one tag namespace with their values.
// +kubebuilder:validation:MaxProperties=64
type TagKeys = map[string]TagValue
