// Command record writes what a controller leaves on a cluster: node classes, NodePools, NodeClaims and Nodes, and the instances in OCI. The
// suite of rollouts then asks a later controller whether any of it is to be replaced. Run it once for a release:
//
//	go run ./test/suites/rollouts/record --bin DIR --version v0.1.0
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

// patience bounds the launch of all nodes.
const patience = 10 * time.Minute

func main() {
	bin := flag.String("bin", "", "folder with the controller to record, and the programs of the control plane")
	version := flag.String("version", "", "name of the recording, such as v0.1.0")
	world := flag.String("world", "test/suites/rollouts/testdata/world.yaml", "manifests to apply")
	flag.Parse()
	if err := run(context.Background(), *bin, *version, *world); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, version, world string) (err error) {
	if bin == "" || version == "" {
		return errors.New("--bin and --version are needed")
	}
	manifests, err := os.ReadFile(world)
	if err != nil {
		return fmt.Errorf("reading the manifests: %w", err)
	}
	none := 0
	e, err := environment.Start(ctx, environment.Options{
		Name: "record", BinDir: bin, Controller: true, FixedNodes: &none, SystemNodes: &none, VirtualNodes: &none,
		Say: func(line string) { fmt.Println(line) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Stop(context.WithoutCancel(ctx))) }()
	if err := e.Apply(ctx, string(manifests)); err != nil {
		return err
	}
	if err := ready(ctx, e); err != nil {
		return err
	}
	return write(ctx, e, filepath.Join(filepath.Dir(world), version))
}

// ready waits until every NodePool has the node of its pod, and its NodeClaim is initialized.
func ready(ctx context.Context, e *environment.Environment) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		pools, claims := &karpv1.NodePoolList{}, &karpv1.NodeClaimList{}
		if err := errors.Join(e.Client().List(ctx, pools), e.Client().List(ctx, claims)); err != nil {
			return fmt.Errorf("waiting for nodes: %w", err)
		}
		done := lo.CountBy(claims.Items, func(c karpv1.NodeClaim) bool {
			return c.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue()
		})
		if len(pools.Items) > 0 && done >= len(pools.Items) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes are there: %w", done, len(pools.Items), ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// write puts the objects of each kind into a file of their own.
func write(ctx context.Context, e *environment.Environment, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	kinds := map[string]client.ObjectList{
		"ocinodeclasses": &v1alpha1.OciNodeClassList{}, "nodepools": &karpv1.NodePoolList{}, "nodeclaims": &karpv1.NodeClaimList{}, "nodes": &corev1.NodeList{},
	}
	for name, list := range kinds {
		if err := e.Client().List(ctx, list); err != nil {
			return fmt.Errorf("listing %s: %w", name, err)
		}
		text, err := document(list)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), text, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	instances, err := yaml.Marshal(e.Simulator().Instances())
	if err != nil {
		return fmt.Errorf("writing the instances: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "instances.yaml"), instances, 0o644)
}

// document is the YAML of a list's objects, without what the API server keeps for itself.
func document(list client.ObjectList) ([]byte, error) {
	var out bytes.Buffer
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	for _, object := range items {
		item, ok := object.(client.Object)
		if !ok {
			return nil, fmt.Errorf("no object: %T", object)
		}
		gvk, err := apiutil.GVKForObject(item, scheme.Scheme)
		if err != nil {
			return nil, fmt.Errorf("finding the kind of %T: %w", item, err)
		}
		item.GetObjectKind().SetGroupVersionKind(gvk)
		item.SetManagedFields(nil)
		item.SetResourceVersion("")
		text, err := yaml.Marshal(item)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", item.GetName(), err)
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	return out.Bytes(), nil
}
