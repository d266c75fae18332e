package inventory

import (
	"context"
	"fmt"
	"slices"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/log"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// Compartment is one that may hold instances of this cluster.
type Compartment struct {
	ID string
	// Essential is the controller's own: when OCI refuses to list it, nothing is known, and the list fails.
	Essential bool
	// Occupied says that NodeClaims were launched there. When OCI refuses to list it, its instances stay as they were last seen, and no
	// instance that is merely missing is believed to be gone. Of one that is not occupied, such as that of a node class with a wrong OCID,
	// there is nothing to know.
	Occupied bool
}

// Compartments tells which compartments may have instances of this cluster. It is asked before each list.
type Compartments interface {
	Compartments(ctx context.Context) ([]Compartment, error)
}

// OneCompartment is a Compartments that never changes.
type OneCompartment string

// Compartments implements the interface of the same name.
func (c OneCompartment) Compartments(context.Context) ([]Compartment, error) {
	return []Compartment{{ID: string(c), Essential: true}}, nil
}

// unreadGauge is set by the one inventory that a process has.
var unreadGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
	Namespace: "karpenter_oke", Subsystem: "inventory", Name: "unread_compartments",
	Help: "Compartments with instances of this cluster that OCI refuses to list; while there are any, no missing instance is believed to be gone.",
}, nil, opmetrics.Alpha)

// readCompartments lists all of them. unread are the occupied ones that OCI refuses to list: one node class whose compartment or rights are
// gone must not hide the instances of all others. What fails for any other reason, or in part, fails as a whole.
func (p *DefaultProvider) readCompartments(ctx context.Context, all []Compartment) (raw []core.Instance, unread []string, err error) {
	refused := map[string]error{}
	for _, c := range all {
		some, err := p.api.ListInstances(ctx, c.ID)
		switch {
		case err == nil:
			raw = append(raw, some...)
		case c.Essential || !refusal(err):
			return nil, nil, fmt.Errorf("listing the instances of compartment %s: %w", c.ID, err)
		default:
			refused[c.ID] = err
			if c.Occupied {
				unread = append(unread, c.ID)
			}
		}
	}
	p.tellRefused(ctx, refused)
	slices.Sort(unread)
	return raw, unread, nil
}

// refusal says that OCI will give the same answer again: the compartment is gone or was never there, or the rights are missing.
func refusal(err error) bool {
	switch oci.ClassOf(err) {
	case oci.ClassNotFound, oci.ClassNotAuthorized, oci.ClassConfig:
		return true
	default:
		return false
	}
}

// tellRefused writes a line when a compartment is refused and one when it is not any more.
func (p *DefaultProvider) tellRefused(ctx context.Context, refused map[string]error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, err := range refused {
		if !p.refused.Has(id) {
			p.refused.Insert(id)
			log.FromContext(ctx).Info("OCI refuses to list the instances of a compartment that node classes or NodeClaims name; those of the others are known",
				"compartment", id, "error", err.Error())
		}
	}
	for id := range p.refused {
		if _, still := refused[id]; !still {
			p.refused.Delete(id)
			log.FromContext(ctx).Info("the instances of a compartment are listed again, or nobody names it any more", "compartment", id)
		}
	}
}

// keepUnread leaves what was known of the compartments that could not be read; mu is held.
func (p *DefaultProvider) keepUnread(listed map[string]Instance, unread []string) {
	for id, old := range p.listed {
		if _, seen := listed[id]; !seen && slices.Contains(unread, old.CompartmentID) {
			listed[id] = old
		}
	}
}
