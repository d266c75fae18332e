package cloudprovider_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// guard counts the holds on classes.
type guard struct {
	refuses     error
	held, ended int
}

func (g *guard) Hold(context.Context, *v1alpha1.OciNodeClass) (func(), error) {
	if g.refuses != nil {
		return nil, g.refuses
	}
	g.held++
	return func() { g.ended++ }, nil
}

func TestNothingIsLaunchedFromAClassThatIsNotHeld(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	g := &guard{refuses: errors.New("it is being deleted")}
	s.deps.Holds = g
	s.CloudProvider = cloudprovider.New(s.deps)
	_, err := s.Create(t.Context(), s.claim("refused"))
	require.ErrorIs(t, err, g.refuses)
	require.Empty(t, s.region.Instances())

	g.refuses = nil
	_, err = s.Create(t.Context(), s.claim("held"))
	require.NoError(t, err)
	require.Len(t, s.region.Instances(), 1)
	require.Equal(t, guard{held: 1, ended: 1}, *g)
}
