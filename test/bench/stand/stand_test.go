package stand

import (
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

func TestCallsAreToldWithTheMostFrequentFirst(t *testing.T) {
	c := Calls{"ListInstances": 4, "LaunchInstance": 20, "GetCluster": 4}
	require.Equal(t, 28, c.Total())
	require.Equal(t, "LaunchInstance 20, GetCluster 4, ListInstances 4", c.String())
	require.Empty(t, Calls{}.String())
}

func TestASeriesIsFoundByAnyOfItsLabels(t *testing.T) {
	text := func(s string) *string { return &s }
	series := &dto.Metric{Label: []*dto.LabelPair{{Name: text("method"), Value: text("IsDrifted")}, {Name: text("provider"), Value: text("oci")}}}
	require.True(t, has(series, nil))
	require.True(t, has(series, map[string]string{"method": "IsDrifted"}))
	require.False(t, has(series, map[string]string{"method": "Create"}))
	require.False(t, has(series, map[string]string{"method": "IsDrifted", "controller": "x"}), "a label that the series does not have")
}
