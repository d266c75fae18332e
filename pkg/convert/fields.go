package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// byPath finds a row by its path.
var byPath = func() map[string]Row {
	out := make(map[string]Row, len(Rows))
	for _, r := range Rows {
		out[r.Path] = r
	}
	return out
}()

// inner are the paths that lead to rows.
var inner = func() map[string]bool {
	out := map[string]bool{}
	for _, r := range Rows {
		for i, c := range r.Path {
			if c == '.' {
				out[strings.TrimSuffix(r.Path[:i], "[]")] = true
			}
		}
	}
	return out
}()

// checkFields reports the fields of a class that the table does not know and those that it always reports, and returns the class
// without what it does not know.
func checkFields(n *notes, object map[string]any) map[string]any {
	spec, ok := object["spec"].(map[string]any)
	if !ok {
		return map[string]any{"spec": object["spec"]}
	}
	return map[string]any{"spec": checkMap(n, spec, "spec", "spec")}
}

// checkMap does it for a map; path has the indices of lists, pattern has [] for them.
func checkMap(n *notes, fields map[string]any, path, pattern string) map[string]any {
	out := make(map[string]any, len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value, path, pattern := fields[key], path+"."+key, pattern+"."+key
		row, isRow := byPath[pattern]
		switch {
		case value == nil:
		case isRow:
			out[key] = value
			if row.Warn && !isEmpty(value) {
				n.warn(path, "%s", row.Note)
			}
		case inner[pattern]:
			out[key] = checkInner(n, value, path, pattern)
		default:
			n.warn(path, "not a field of %s/%s as this program knows it; it is left out", SourceGroup, SourceVersion)
		}
	}
	return out
}

func checkInner(n *notes, value any, path, pattern string) any {
	switch v := value.(type) {
	case map[string]any:
		return checkMap(n, v, path, pattern)
	case []any:
		out := make([]any, 0, len(v))
		for i, item := range v {
			path := fmt.Sprintf("%s[%d]", path, i)
			if fields, ok := item.(map[string]any); ok {
				item = checkMap(n, fields, path, pattern+"[]")
			}
			if item != nil {
				out = append(out, item)
			}
		}
		return out
	}
	return value // of a wrong type, which decoding reports
}

// isEmpty is true for values that say nothing: their field has no effect in the source.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return value == nil
}
