// Package manifest reads Kubernetes objects from files, directories and standard input, for commands that look at manifests
// without a cluster. What can not be read is an error that names the file and the line.
package manifest

import (
	"errors"
	"fmt"
	"strings"
)

// Document is one Kubernetes object of the input or output.
type Document struct {
	// Source names where it was read, for messages.
	Source string
	// Line is the line of the source that the document begins on, from 1; 0 when it was not read from text of its own.
	Line int
	// Text is the object as it was written; empty once the object was changed.
	Text []byte
	// Object is the object as it was read; nil for a document that is YAML but no Kubernetes object.
	Object map[string]any
}

// APIVersion is the object's apiVersion, such as apps/v1.
func (d Document) APIVersion() string { return Text(d.Object["apiVersion"]) }

// Kind is the object's kind.
func (d Document) Kind() string { return Text(d.Object["kind"]) }

// Name is the object's metadata.name.
func (d Document) Name() string { return Text(At(d.Object, "metadata", "name")) }

// Namespace is the object's metadata.namespace; empty for none.
func (d Document) Namespace() string { return Text(At(d.Object, "metadata", "namespace")) }

// Place is the source with the line, such as apps/web.yaml:12.
func (d Document) Place() string { return place(d.Source, d.Line) }

func place(source string, line int) string {
	if line == 0 {
		return source
	}
	return fmt.Sprintf("%s:%d", source, line)
}

// Items returns what a List holds, as documents of its place. ok is false for an object that is no List. The error names an item
// that is no object.
func (d Document) Items() (items []Document, ok bool, err error) {
	list, ok := d.Object["items"].([]any)
	if !ok || !strings.HasSuffix(d.Kind(), "List") {
		return nil, false, nil
	}
	items = make([]Document, 0, len(list))
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, true, fmt.Errorf("%s: items[%d] of a %s is not an object", d.Place(), i, d.Kind())
		}
		items = append(items, Document{Source: d.Source, Line: d.Line, Object: object})
	}
	return items, true, nil
}

// checkObject returns what a document lacks to be a Kubernetes object.
func (d Document) checkObject() error {
	switch {
	case d.Object == nil:
		return errors.New("it is not a Kubernetes object; expected apiVersion, kind and so on")
	case d.Kind() == "" || d.APIVersion() == "":
		return errors.New("it is not a Kubernetes object: kind or apiVersion is missing")
	}
	return nil
}

// Text is a value if it is a string, else empty.
func Text(v any) string {
	s, _ := v.(string)
	return s
}

// At follows keys through maps; nil where there is none.
func At(v any, keys ...string) any {
	for _, key := range keys {
		fields, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = fields[key]
	}
	return v
}
