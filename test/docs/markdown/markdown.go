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

// Command is a command line of a page, words split at blanks, without what is piped on, redirected or commented.
type Command struct {
	Words []string
	Line  int // from 1
}

var span = regexp.MustCompile("`([^`]+)`")

// Commands are the command lines of a page: those of blocks in sh, bash and console (there behind "$ ") or in no language, and code
// within lines that begins with a program of several words.
func Commands(page string) []Command {
	var out []Command
	for _, b := range Blocks(page) {
		switch b.Language {
		case "sh", "bash", "console", "":
			out = append(out, commandsOf(b)...)
		}
	}
	fenced := false
	for i, line := range strings.Split(page, "\n") {
		if fence.MatchString(line) {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		for _, m := range span.FindAllStringSubmatch(line, -1) {
			if words := wordsOf(m[1]); len(words) > 1 {
				out = append(out, Command{Words: words, Line: i + 1})
			}
		}
	}
	return out
}

func commandsOf(b Block) []Command {
	var out []Command
	joined, start := "", 0
	for i, line := range strings.Split(b.Text, "\n") {
		line = strings.TrimSpace(line)
		if joined == "" {
			start = b.Line + i
			if b.Language == "console" {
				prompt, found := strings.CutPrefix(line, "$ ")
				if !found {
					continue
				}
				line = prompt
			}
		}
		more, goesOn := strings.CutSuffix(line, `\`)
		joined += more
		if goesOn {
			continue
		}
		for _, part := range strings.Split(joined, " | ") {
			if words := wordsOf(part); len(words) > 0 {
				out = append(out, Command{Words: words, Line: start})
			}
		}
		joined = ""
	}
	return out
}

// wordsOf leaves out variables that are set before a program.
func wordsOf(line string) []string {
	words := strings.Fields(line)
	for i, word := range words {
		if word == "#" || word == ">" || word == "|" || word == "&&" {
			words = words[:i]
			break
		}
	}
	for len(words) > 0 && assignment.MatchString(words[0]) {
		words = words[1:]
	}
	return words
}

var assignment = regexp.MustCompile(`^[A-Z_]+=`)
