package pricelist_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
)

func TestEveryPartNumberOfTheShapeTableIsInTheProductList(t *testing.T) {
	var list struct {
		Items []struct {
			PartNumber string `json:"partNumber"`
		} `json:"items"`
	}
	require.NoError(t, json.Unmarshal(pricelist.Products(), &list))
	known := map[string]bool{}
	for _, item := range list.Items {
		known[item.PartNumber] = true
	}
	require.Len(t, known, 514)

	rows, err := csv.NewReader(bytes.NewReader(pricelist.ShapeParts())).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "shape_pattern", rows[0][0])
	for _, row := range rows[1:] {
		for _, column := range []int{1, 3, 5, 7} {
			if part := row[column]; part != "" {
				require.True(t, known[part], "row %s names the part %s, which has no price", row[0], part)
			}
		}
	}
}

func TestCallersCannotChangeTheSnapshot(t *testing.T) {
	pricelist.Products()[0] = 'x'
	require.Equal(t, byte('{'), pricelist.Products()[0])
}
