// Package markdown reads the fenced blocks and the links of the project's pages, so that tests can run what the pages show.
package markdown

import (
	"regexp"
	"strings"
)

// Block is the text between two fences.
type Block struct {
	Language string // the word behind the opening fence; empty for none
	Text     string
	Line     int // of the first line of Text, from 1
}

var fence = regexp.MustCompile("^( *)(```+)([A-Za-z]*)")

// Blocks are the fenced blocks of a page. Blocks in lists lose the list's indentation.
func Blocks(page string) []Block {
	var out []Block
	var open *Block
	var indent, mark string
	var lines []string
	for i, line := range strings.Split(page, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			open, indent, mark, lines = &Block{Language: m[3], Line: i + 2}, m[1], m[2], nil
		case open != nil && m != nil && m[2] == mark && m[3] == "":
			open.Text = strings.Join(lines, "\n") + "\n"
			out = append(out, *open)
			open = nil
		case open != nil:
			lines = append(lines, strings.TrimPrefix(line, indent))
		}
	}
	return out
}

// Of are the texts of the blocks in one language.
func Of(page, language string) []string {
	var out []string
	for _, b := range Blocks(page) {
		if b.Language == language {
			out = append(out, b.Text)
		}
	}
	return out
}

// Link is a link of a page.
type Link struct {
	Target string
	Line   int // from 1
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// Links are the links and images of a page, those in fenced blocks left out.
func Links(page string) []Link {
	var out []Link
	fenced := false
	for i, line := range strings.Split(page, "\n") {
		if fence.MatchString(line) {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			out = append(out, Link{Target: m[1], Line: i + 1})
		}
	}
	return out
}

var (
	heading = regexp.MustCompile(`^#{1,6} +(.+?) *#*$`)
	linked  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// Anchors are the names that links to headings of a page use, as GitHub makes them.
func Anchors(page string) map[string]bool {
	out := map[string]bool{}
	fenced := false
	for _, line := range strings.Split(page, "\n") {
		if fence.MatchString(line) {
			fenced = !fenced
			continue
		}
		m := heading.FindStringSubmatch(line)
		if fenced || m == nil {
			continue
		}
		text := linked.ReplaceAllString(m[1], "$1")
		out[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(text), ""), " ", "-")] = true
	}
	return out
}
