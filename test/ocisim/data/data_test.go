package data

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
)

func TestTheCatalogueDecodesStrictly(t *testing.T) {
	shapes, err := Shapes()
	require.NoError(t, err)
	require.Len(t, shapes, 77)
	names := map[string]bool{}
	for _, s := range shapes {
		names[lo.FromPtr(s.Shape)] = true
	}
	require.Len(t, names, 77, "a shape is listed once")

	images, err := Images()
	require.NoError(t, err)
	require.Len(t, images, 40)
}
