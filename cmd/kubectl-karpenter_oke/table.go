package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// columnGap stands between columns, as in kubectl's tables.
const columnGap = "   "

// column of a table. Numbers are aligned to the right.
type column struct {
	title string
	right bool
}

// writeTable writes rows under their titles, each column as wide as its widest cell. Columns in which no row has anything are left out.
func writeTable(w io.Writer, columns []column, rows [][]string) {
	widths := make([]int, len(columns))
	for k, c := range columns {
		for _, row := range rows {
			if row[k] != "" {
				widths[k] = max(widths[k], utf8.RuneCountInString(row[k]), utf8.RuneCountInString(c.title))
			}
		}
	}
	titles := make([]string, len(columns))
	for k, c := range columns {
		titles[k] = c.title
	}
	for _, row := range append([][]string{titles}, rows...) {
		var line strings.Builder
		for k, cell := range row {
			if widths[k] == 0 {
				continue
			}
			if line.Len() > 0 {
				line.WriteString(columnGap)
			}
			pad := strings.Repeat(" ", max(widths[k]-utf8.RuneCountInString(cell), 0))
			if columns[k].right {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// writeObject writes a value as JSON or YAML.
func writeObject(w io.Writer, format string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err == nil && format == "yaml" {
		text, err = yaml.JSONToYAML(text)
	} else {
		text = append(text, '\n')
	}
	if err != nil {
		return fmt.Errorf("writing the answer as %s: %w", format, err)
	}
	_, err = w.Write(text)
	return err
}
