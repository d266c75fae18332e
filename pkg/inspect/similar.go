package inspect

import (
	"cmp"
	"slices"
	"strings"
)

// maxKnown bounds the names that an answer suggests.
const maxKnown = 10

// closest orders names by how similar they are to the wanted one, and cuts the list.
func closest(want string, names []string) []string {
	out := slices.Clone(names)
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(want, a), distance(want, b)), strings.Compare(a, b))
	})
	return out[:min(len(out), maxKnown)]
}

// distance is how many bytes must be added, left out or changed to turn one string into the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
