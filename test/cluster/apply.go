package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// fieldManager owns the fields that Apply sets.
const fieldManager = "karpenter-oke-test"

// applyPatience is how long Apply waits for the API server to serve a kind or to establish a definition it was just given.
const applyPatience = 20 * time.Second

// ApplyFile applies the manifests in files; see Apply.
func (p *Plane) ApplyFile(ctx context.Context, paths ...string) error {
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("applying %s: %w", path, err)
		}
		if err := p.Apply(ctx, string(data)); err != nil {
			return fmt.Errorf("applying %s: %w", path, err)
		}
	}
	return nil
}

// Apply applies YAML documents server-side, in their order, as `kubectl apply --server-side --force-conflicts` would. After a
// CustomResourceDefinition it waits until the kind is served, so a document of that kind may follow.
func (p *Plane) Apply(ctx context.Context, manifests ...string) error {
	return p.eachObject(ctx, manifests, func(ctx context.Context, a *applier, obj *unstructured.Unstructured) error {
		return a.apply(ctx, obj)
	})
}

// Delete deletes the objects of YAML documents; what is not there counts as deleted. It does not wait for finalizers.
func (p *Plane) Delete(ctx context.Context, manifests ...string) error {
	return p.eachObject(ctx, manifests, func(ctx context.Context, a *applier, obj *unstructured.Unstructured) error {
		r, err := a.resource(ctx, obj)
		if err != nil {
			return err
		}
		err = r.Delete(ctx, obj.GetName(), metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

func (p *Plane) eachObject(ctx context.Context, manifests []string, do func(context.Context, *applier, *unstructured.Unstructured) error) error {
	objects, err := Decode(manifests...)
	if err != nil {
		return err
	}
	a, err := p.newApplier()
	if err != nil {
		return err
	}
	for _, obj := range objects {
		if err := do(ctx, a, obj); err != nil {
			return fmt.Errorf("%s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
	}
	return nil
}

// Decode splits YAML or JSON documents into objects; empty documents are skipped, Lists are opened.
func Decode(manifests ...string) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, m := range manifests {
		dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(m)), 4096)
		for {
			obj := &unstructured.Unstructured{}
			err := dec.Decode(&obj.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("reading a manifest: %w", err)
			}
			if len(obj.Object) == 0 {
				continue
			}
			if obj.GetKind() == "" || obj.GetAPIVersion() == "" {
				return nil, errors.New("reading a manifest: a document has no kind or apiVersion")
			}
			if !obj.IsList() {
				out = append(out, obj)
				continue
			}
			err = obj.EachListItem(func(o runtime.Object) error {
				item, ok := o.(*unstructured.Unstructured)
				if ok {
					out = append(out, item)
				}
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("reading a manifest's list: %w", err)
			}
		}
	}
	return out, nil
}

type applier struct {
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func (p *Plane) newApplier() (*applier, error) {
	cfg := p.RESTConfig()
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("making a discovery client: %w", err)
	}
	return &applier{dynamic: dyn, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco))}, nil
}

func (a *applier) apply(ctx context.Context, obj *unstructured.Unstructured) error {
	r, err := a.resource(ctx, obj)
	if err != nil {
		return err
	}
	if _, err := r.Apply(ctx, obj.GetName(), obj, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
		return err
	}
	if obj.GroupVersionKind().GroupKind() == (schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}) {
		return a.established(ctx, r, obj.GetName())
	}
	return nil
}

// resource finds the endpoint of an object's kind, waiting for one that is not served yet.
func (a *applier) resource(ctx context.Context, obj *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := obj.GroupVersionKind()
	var mapping *meta.RESTMapping
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, applyPatience, true, func(context.Context) (bool, error) {
		mapping, last = a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if last != nil {
			a.mapper.Reset()
		}
		return last == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("the API server does not serve %s: %w", gvk, errors.Join(last, ctx.Err()))
	}
	r := a.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return r, nil
	}
	ns := obj.GetNamespace()
	if ns == "" {
		ns = metav1.NamespaceDefault
	}
	return r.Namespace(ns), nil
}

func (a *applier) established(ctx context.Context, r dynamic.ResourceInterface, name string) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, applyPatience, true, func(ctx context.Context) (bool, error) {
		crd, err := r.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		// A definition that was just made may have no conditions, or null for them.
		conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
		for _, c := range conditions {
			m, ok := c.(map[string]any)
			if ok && m["type"] == "Established" && m["status"] == "True" {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("waiting until it is established: %w", err)
	}
	a.mapper.Reset()
	return nil
}
