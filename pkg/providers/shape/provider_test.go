package shape_test

import (
	"context"
	"errors"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// lister answers from maps.
type lister struct {
	domains []string
	shapes  map[string][]string
	fails   map[string]error
}

func (l *lister) ListAvailabilityDomains(context.Context, string) ([]identity.AvailabilityDomain, error) {
	var out []identity.AvailabilityDomain
	for _, d := range l.domains {
		out = append(out, identity.AvailabilityDomain{Name: common.String(d)})
	}
	return out, l.fails["domains"]
}

func (l *lister) ListShapes(_ context.Context, _, domain string) ([]core.Shape, error) {
	var out []core.Shape
	for _, name := range l.shapes[domain] {
		out = append(out, core.Shape{Shape: common.String(name), Ocpus: common.Float32(1), MemoryInGBs: common.Float32(15)})
	}
	return out, l.fails[domain]
}

func twoDomains() *lister {
	return &lister{
		domains: []string{"Uocm:PHX-AD-2", "Uocm:PHX-AD-1"},
		shapes:  map[string][]string{"Uocm:PHX-AD-1": {"VM.Standard2.1", "VM.Standard2.1", "VM.Standard2.2"}, "Uocm:PHX-AD-2": {"VM.Standard2.1"}},
		fails:   map[string]error{},
	}
}

func TestASnapshotJoinsTheDomains(t *testing.T) {
	p, err := shape.NewProvider(twoDomains(), "ocid1.compartment.oc1..a")
	require.NoError(t, err)
	require.Nil(t, p.Snapshot())
	require.NoError(t, p.Refresh(t.Context()))
	s := p.Snapshot()
	require.Equal(t, []string{"PHX-AD-1", "PHX-AD-2"}, s.Zones())
	require.Len(t, s.Shapes(), 2)
	both, _ := s.Shape("VM.Standard2.1")
	require.Equal(t, []string{"PHX-AD-1", "PHX-AD-2"}, both.Zones)
	one, _ := s.Shape("VM.Standard2.2")
	require.Equal(t, []string{"PHX-AD-1"}, one.Zones)
	name, ok := s.AvailabilityDomain("PHX-AD-2")
	require.True(t, ok)
	require.Equal(t, "Uocm:PHX-AD-2", name)
	_, ok = s.AvailabilityDomain("PHX-AD-3")
	require.False(t, ok)
}

func TestTheFirstSnapshotNeedsEveryDomain(t *testing.T) {
	l := twoDomains()
	l.fails["Uocm:PHX-AD-2"] = errors.New("boom")
	p, _ := shape.NewProvider(l, "c")
	require.ErrorContains(t, p.Refresh(t.Context()), "boom")
	require.Nil(t, p.Snapshot())
	l.fails = map[string]error{}
	require.NoError(t, p.Refresh(t.Context()))
	require.NotNil(t, p.Snapshot())
}

func TestALaterFailureKeepsTheDomainsLastAnswer(t *testing.T) {
	for name, breakIt := range map[string]func(*lister){
		"an error":        func(l *lister) { l.fails["Uocm:PHX-AD-1"] = errors.New("boom") },
		"an empty answer": func(l *lister) { l.shapes["Uocm:PHX-AD-1"] = nil },
		"no domains":      func(l *lister) { l.domains = nil },
		"domain error":    func(l *lister) { l.fails["domains"] = errors.New("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			l := twoDomains()
			p, _ := shape.NewProvider(l, "c")
			require.NoError(t, p.Refresh(t.Context()))
			before := p.Snapshot()
			breakIt(l)
			require.Error(t, p.Refresh(t.Context()))
			require.Same(t, before, p.Snapshot())
		})
	}
}

func TestTheGenerationGrowsOnlyWithTheContent(t *testing.T) {
	l := twoDomains()
	p, _ := shape.NewProvider(l, "c")
	require.NoError(t, p.Refresh(t.Context()))
	require.NoError(t, p.Refresh(t.Context()))
	require.EqualValues(t, 1, p.Snapshot().Generation())
	l.shapes["Uocm:PHX-AD-2"] = []string{"VM.Standard2.1", "VM.Standard2.2"}
	require.NoError(t, p.Refresh(t.Context()))
	require.EqualValues(t, 2, p.Snapshot().Generation())
}

func TestAShapeThatVanishesStaysKnownWithoutZones(t *testing.T) {
	l := twoDomains()
	p, _ := shape.NewProvider(l, "c")
	require.NoError(t, p.Refresh(t.Context()))
	l.shapes["Uocm:PHX-AD-1"] = []string{"VM.Standard2.1"}
	require.NoError(t, p.Refresh(t.Context()))
	gone, ok := p.Snapshot().Shape("VM.Standard2.2")
	require.True(t, ok)
	require.Empty(t, gone.Zones)
	generation := p.Snapshot().Generation()
	require.NoError(t, p.Refresh(t.Context()))
	require.Equal(t, generation, p.Snapshot().Generation())
}

func TestABadOverrideIsRefused(t *testing.T) {
	_, err := shape.NewProvider(twoDomains(), "c", shape.Override{Match: "["})
	require.ErrorContains(t, err, "shell glob")
}
