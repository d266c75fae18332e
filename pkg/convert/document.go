package convert

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Document is one Kubernetes object of the input or output.
type Document struct {
	// Source names where it was read, for messages.
	Source string
	// Text is the object as it was written; empty once the object was converted.
	Text []byte
	// Object is the object as it was read.
	Object map[string]any
}

// Read splits YAML (several documents in a file too) or JSON (several objects in a row too) into documents; empty ones are left
// out. source names the text in messages. An error names the document that can not be read.
func Read(source string, text []byte) ([]Document, error) {
	next := yamlDocuments(text)
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		next = jsonDocuments(trimmed)
	}
	var out []Document
	for i := 1; ; i++ {
		text, err := next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		d := Document{Source: source, Text: text}
		if err == nil {
			err = d.decode()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", source, i, err)
		}
		if d.Object != nil {
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

func (d *Document) decode() error {
	var object any
	if err := yaml.UnmarshalStrict(d.Text, &object); err != nil {
		return oneLine(err)
	}
	if object == nil { // nothing but comments
		return nil
	}
	fields, ok := object.(map[string]any)
	if !ok {
		return errors.New("it is not a Kubernetes object; expected apiVersion, kind and so on")
	}
	d.Object = fields
	if d.kind() == "" || d.apiVersion() == "" {
		return errors.New("it is not a Kubernetes object: kind or apiVersion is missing")
	}
	return nil
}

// Write writes documents as one stream of YAML.
func Write(w io.Writer, documents []Document) error {
	var out bytes.Buffer
	for i, d := range documents {
		text := d.Text
		if text == nil {
			var err error
			if text, err = yaml.Marshal(d.Object); err != nil {
				return fmt.Errorf("writing %s %s: %w", d.kind(), d.name(), err)
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

// openLists replaces Lists that hold something to convert by what they hold.
func openLists(documents []Document) ([]Document, error) {
	var out []Document
	for _, d := range documents {
		items, ok := d.Object["items"].([]any)
		if !ok || !strings.HasSuffix(d.kind(), "List") {
			out = append(out, d)
			continue
		}
		opened := make([]Document, 0, len(items))
		convertible := false
		for i, item := range items {
			object, ok := item.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("%s: items[%d] of a %s is not an object", d.Source, i, d.kind())
			}
			o := Document{Source: d.Source, Object: object}
			opened = append(opened, o)
			convertible = convertible || o.isClass() || o.isPool()
		}
		if convertible {
			out = append(out, opened...)
		} else {
			out = append(out, d)
		}
	}
	return out, nil
}

func (d Document) apiVersion() string { return text(d.Object["apiVersion"]) }
func (d Document) kind() string       { return text(d.Object["kind"]) }
func (d Document) name() string       { return text(at(d.Object, "metadata", "name")) }

func (d Document) isClass() bool {
	return d.kind() == SourceKind && d.apiVersion() == SourceGroup+"/"+SourceVersion
}

// isPool is true for a NodePool that refers to a class of the source's kind.
func (d Document) isPool() bool {
	if d.kind() != "NodePool" || !strings.HasPrefix(d.apiVersion(), "karpenter.sh/") {
		return false
	}
	ref := at(d.Object, "spec", "template", "spec", "nodeClassRef")
	return text(at(ref, "kind")) == SourceKind && text(at(ref, "group")) == SourceGroup
}

// notes begins the warnings of a document.
func (d Document) notes() *notes {
	return &notes{source: d.Source, object: d.kind() + "/" + d.name()}
}

// text is a value if it is a string.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// at follows keys through maps; nil where there is none.
func at(v any, keys ...string) any {
	for _, key := range keys {
		fields, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = fields[key]
	}
	return v
}

func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
