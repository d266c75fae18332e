package nodeclass_test

import (
	"fmt"
	"strings"
)

// long is a text of n characters.
func long(n int) string { return strings.Repeat("a", n) }

// entries are n entries of a YAML flow map, k0: v.
func entries(n int) string { return strings.Join(each(n, "k%d: v"), ", ") }

// items are n items of a YAML flow list, made from a format with one number.
func items(n int, format string) string { return strings.Join(each(n, format), ", ") }

func each(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

// ocid is a well-formed OCID of a kind.
func ocid(kind string) string { return "ocid1." + kind + ".oc1.phx.aaaaaaaaexample" }
