package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/samber/lo"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

type typesOptions struct {
	connection
	nodePool      string
	output        string
	shapes        []string
	archs         []string
	zones         []string
	capacityTypes []string
	available     bool
	fit           map[string]string
}

const typesHelp = `Types lists the instance types that a NodePool can launch, as the running controller sees them now: shape and size,
what pods can have of it, the price per hour, and where it can be had. What OCI had no room for lately is listed
with the reason and the time at which Karpenter tries it again. The cheapest stand first.

VCPU are the CPUs that the kubelet counts, OCPU and GB the size that OCI bills. CPU, MEMORY and PODS are allocatable:
what is left for pods, DaemonSets included. Prices include the boot volume.

With --fit only types are listed on which a pod of that size fits beside the DaemonSets; FITS is how many do, and
POD/H what each of them then costs per hour.

` + connectHelp + `

Exit code: 0, or 1 when the controller can not be asked or there is no such NodePool.`

// connectHelp says how all commands that ask the controller find it.
const connectHelp = `The controller is asked through a port-forward to its Pod, so the right to create pods/portforward in its namespace is
needed. For a controller that runs elsewhere, such as on this machine, give --controller-url.`

const typesExamples = `  # What can NodePool general launch?
  kubectl karpenter_oke types --nodepool general

  # The cheapest node for a pod of 3 CPUs and 10 GiB that can be had in PHX-AD-1 now
  kubectl karpenter_oke types --nodepool general --fit cpu=3,memory=10Gi --zone PHX-AD-1 --available

  # Every zone and capacity type on a line of its own
  kubectl karpenter_oke types --nodepool general --shape 'VM.Standard.E5*' -o wide`

func newTypes() *cobra.Command {
	o := &typesOptions{}
	cmd := &cobra.Command{
		Use:     "types --nodepool NAME",
		Short:   "List a NodePool's instance types with sizes, prices and availability",
		Long:    typesHelp,
		Example: typesExamples,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	o.flags(f)
	outputFlag(cmd, &o.output, typesFormats...)
	f.StringVar(&o.nodePool, "nodepool", "", "NodePool to look at (required)")
	f.StringSliceVar(&o.shapes, "shape", nil, "only these shapes; a pattern such as 'VM.Standard.E5*' will do")
	f.StringSliceVar(&o.archs, "arch", nil, "only these architectures: amd64, arm64")
	f.StringSliceVar(&o.zones, "zone", nil, "only offerings in these zones, such as PHX-AD-1")
	f.StringSliceVar(&o.capacityTypes, "capacity-type", nil, "only offerings of these capacity types: on-demand, spot, reserved")
	f.BoolVar(&o.available, "available", false, "only what can be had now")
	f.StringToStringVar(&o.fit, "fit", nil, "only types that a pod with these requests fits on, such as cpu=3,memory=10Gi")
	return cmd
}

var typesFormats = []string{"table", "wide", "json", "yaml"}

func (o *typesOptions) run(ctx context.Context, out io.Writer) error {
	pod, err := o.check()
	if err != nil {
		return err
	}
	body, err := o.ask(ctx, http.MethodGet, inspect.TypesPath, url.Values{inspect.NodePoolParameter: {o.nodePool}}, nil)
	if err != nil {
		if o.nodePool == "" {
			return errors.New(strings.Replace(err.Error(), `there is no NodePool ""`, "name a NodePool with --nodepool", 1))
		}
		return err
	}
	answer := &inspect.Types{}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("reading the controller's answer: %w", err)
	}
	all := len(answer.Types)
	o.filter(answer, pod)
	switch o.output {
	case "table":
		writeTypes(out, answer, pod)
	case "wide":
		writeOfferings(out, answer)
	default:
		return writeObject(out, o.output, answer)
	}
	writeTypesFooter(out, answer, all)
	return nil
}

// check reads the flags before anything is asked. The result is what a pod of --fit requests; nil without --fit.
func (o *typesOptions) check() (corev1.ResourceList, error) {
	if err := checkOutput(o.output, typesFormats...); err != nil {
		return nil, err
	}
	for _, pattern := range o.shapes {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("--shape %q is no pattern", pattern)
		}
	}
	if len(o.fit) == 0 {
		return nil, nil
	}
	pod := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}
	for name, text := range o.fit {
		q, err := resource.ParseQuantity(text)
		if err != nil || q.Sign() < 0 {
			return nil, fmt.Errorf("--fit %s=%s: want a quantity such as cpu=500m or memory=10Gi", name, text)
		}
		pod[corev1.ResourceName(name)] = q
	}
	return pod, nil
}

// filter drops what the flags do not ask for.
func (o *typesOptions) filter(a *inspect.Types, pod corev1.ResourceList) {
	a.Types = lo.Filter(a.Types, func(t inspect.Type, _ int) bool {
		return passes(o.archs, t.Arch) && (len(o.shapes) == 0 || lo.SomeBy(o.shapes, func(pattern string) bool {
			ok, _ := path.Match(pattern, t.Shape)
			return ok
		})) && (pod == nil || fits(&t, pod) > 0)
	})
	for k := range a.Types {
		a.Types[k].Offerings = lo.Filter(a.Types[k].Offerings, func(of inspect.Offering, _ int) bool {
			return passes(o.zones, of.Zone) && passes(o.capacityTypes, of.CapacityType) && (of.Available || !o.available)
		})
	}
	a.Types = slices.DeleteFunc(a.Types, func(t inspect.Type) bool { return len(t.Offerings) == 0 })
}

// passes tells whether a filter lets a value pass; an empty filter lets everything.
func passes(filter []string, value string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(want string) bool { return strings.EqualFold(want, value) })
}

// fits is how many pods with these requests a new node takes beside its DaemonSets.
func fits(t *inspect.Type, pod corev1.ResourceList) int64 {
	free := resources.Subtract(t.Allocatable, t.Daemons)
	count := int64(-1)
	for name, wanted := range pod {
		if wanted.IsZero() {
			continue
		}
		has := free[name]
		n := has.MilliValue() / wanted.MilliValue()
		if count < 0 || n < count {
			count = n
		}
	}
	return max(count, 0)
}

// priceOf is the lowest price among a type's offerings of a capacity type, of those that can be had if there is any.
func priceOf(t *inspect.Type, capacityType string) (price float64, available, known bool) {
	for _, of := range t.Offerings {
		if of.CapacityType != capacityType {
			continue
		}
		better := !known || of.Price < price
		if of.Available != available {
			better = of.Available
		}
		if better {
			price, available, known = of.Price, of.Available, true
		}
	}
	return price, available, known
}

// cheapest is the lowest price of a type that can be had.
func cheapest(t *inspect.Type) (price float64, ok bool) {
	for _, of := range t.Offerings {
		if of.Available && (!ok || of.Price < price) {
			price, ok = of.Price, true
		}
	}
	return price, ok
}

func capacityTypes() []string {
	return []string{karpv1.CapacityTypeOnDemand, karpv1.CapacityTypeSpot, karpv1.CapacityTypeReserved}
}
