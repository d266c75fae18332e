package oci

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/stretchr/testify/require"
)

func TestAListThatLeadsToItsOwnPageIsAnError(t *testing.T) {
	pages := 0
	items, err := listAll(func(*string) ([]int, *string, error) {
		pages++
		return []int{pages}, common.String("same"), nil
	})
	require.ErrorContains(t, err, "the same page")
	require.Nil(t, items)
	require.Equal(t, 2, pages, "it would be read for ever")
}
