package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Read splits YAML (several documents in a file too) or JSON (several objects in a row too) into documents; empty ones are left
// out. source names the text in messages. An error names the line of what can not be read or is no Kubernetes object.
func Read(source string, text []byte) ([]Document, error) {
	documents, err := split(source, text)
	if err != nil {
		return nil, err
	}
	for _, d := range documents {
		if err := d.checkObject(); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Place(), err)
		}
	}
	return documents, nil
}

// ReadAll is Read, except that a document that is YAML but no Kubernetes object is no error: its Object is nil.
func ReadAll(source string, text []byte) ([]Document, error) {
	documents, err := split(source, text)
	for i := range documents {
		if documents[i].checkObject() != nil {
			documents[i].Object = nil
		}
	}
	return documents, err
}

func split(source string, text []byte) ([]Document, error) {
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	next := yamlDocuments(text)
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' && !bytes.HasPrefix(trimmed, []byte("{{")) {
		next = jsonDocuments(text)
	}
	var out []Document
	at := 0 // where the search for the next document begins
	for {
		raw, err := next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		d := Document{Source: source, Line: 1 + bytes.Count(text[:at], []byte("\n")), Text: raw}
		if err != nil {
			return nil, explain(d, text[at:], err)
		}
		// The reader gives text of the source as it stands, so looking for it gives its place.
		if i := bytes.Index(text[at:], bytes.TrimRight(raw, "\n")); i >= 0 {
			d.Line += bytes.Count(text[at:at+i], []byte("\n"))
			at += i + len(bytes.TrimRight(raw, "\n"))
		}
		empty, err := d.decode()
		if err != nil {
			return nil, explain(d, raw, err)
		}
		if !empty {
			d.Line += linesOfComment(raw)
			out = append(out, d)
		}
	}
}

func yamlDocuments(text []byte) func() ([]byte, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	return reader.Read
}

func jsonDocuments(text []byte) func() ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	return func() ([]byte, error) {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		return raw, err
	}
}

// decode reads the text. empty is true for nothing but comments.
func (d *Document) decode() (empty bool, err error) {
	var object any
	if err := yaml.UnmarshalStrict(d.Text, &object); err != nil {
		return false, err
	}
	d.Object, _ = object.(map[string]any)
	return object == nil, nil
}

// linesOfComment counts the lines before the first that holds more than a comment.
func linesOfComment(text []byte) int {
	n := 0
	for line := range bytes.Lines(text) {
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && trimmed[0] != '#' && string(trimmed) != "---" {
			return n
		}
		n++
	}
	return 0
}

// lineInError is how the YAML library tells the line within the document.
var lineInError = regexp.MustCompile(`\bline (\d+): ?`)

// ofParser are the messages of the YAML library's parser, which counts lines from 0 where its scanner counts from 1.
var ofParser = regexp.MustCompile(`did not find expected (node content|key|',' or|'-' indicator|<document start>)`)

// explain says on which line of the source text stops being YAML or JSON, and what to do.
func explain(d Document, text []byte, err error) error {
	message := strings.Join(strings.Fields(err.Error()), " ")
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors: "} {
		message = strings.TrimPrefix(message, prefix)
	}
	line := d.Line
	last := line + bytes.Count(bytes.TrimRight(text, "\n"), []byte("\n"))
	var syntax *json.SyntaxError
	switch m := lineInError.FindStringSubmatch(message); {
	case errors.As(err, &syntax):
		line += bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
	case errors.Is(err, io.ErrUnexpectedEOF):
		line = last
	case m != nil:
		n, _ := strconv.Atoi(m[1])
		if !ofParser.MatchString(message) {
			n--
		}
		line = min(line+max(0, n), last)
		message = lineInError.ReplaceAllString(message, "")
	}
	advice := "correct it, or leave the file out"
	if bytes.Contains(text, []byte("{{")) {
		advice = "it holds template marks {{ }}: render it first, such as with helm template, and give the output to -f -"
	}
	return fmt.Errorf("%s: it is neither YAML nor JSON (%s): %s", place(d.Source, line), message, advice)
}

// Write writes documents as one stream of YAML.
func Write(w io.Writer, documents []Document) error {
	var out bytes.Buffer
	for i, d := range documents {
		text := d.Text
		if text == nil {
			var err error
			if text, err = yaml.Marshal(d.Object); err != nil {
				return fmt.Errorf("writing %s %s: %w", d.Kind(), d.Name(), err)
			}
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(bytes.TrimRight(text, "\n"))
		out.WriteByte('\n')
	}
	_, err := w.Write(out.Bytes())
	return err
}
