package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// definition is what the page needs of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Group string `json:"group"`
		Scope string `json:"scope"`
		Names struct {
			Kind       string   `json:"kind"`
			ShortNames []string `json:"shortNames"`
			Categories []string `json:"categories"`
		} `json:"names"`
		Versions []struct {
			Name    string `json:"name"`
			Columns []struct {
				Name        string `json:"name"`
				Description string `json:"description"`
			} `json:"additionalPrinterColumns"`
			Schema struct {
				Root schema `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

// schema is a node of an OpenAPI v3 schema.
type schema struct {
	Type          string            `json:"type"`
	Description   string            `json:"description"`
	Default       json.RawMessage   `json:"default"`
	Enum          []any             `json:"enum"`
	Minimum       *float64          `json:"minimum"`
	Maximum       *float64          `json:"maximum"`
	MultipleOf    *float64          `json:"multipleOf"`
	MinLength     *int64            `json:"minLength"`
	MaxLength     *int64            `json:"maxLength"`
	MinItems      *int64            `json:"minItems"`
	MaxItems      *int64            `json:"maxItems"`
	MinProperties *int64            `json:"minProperties"`
	MaxProperties *int64            `json:"maxProperties"`
	Required      []string          `json:"required"`
	Properties    map[string]schema `json:"properties"`
	Items         *schema           `json:"items"`
	Values        *schema           `json:"additionalProperties"`
	Quantity      bool              `json:"x-kubernetes-int-or-string"`
	ListType      string            `json:"x-kubernetes-list-type"`
	Rules         []struct {
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

func readDefinition(path string) (definition, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return definition{}, err
	}
	var d definition
	if err := yaml.Unmarshal(data, &d); err != nil {
		return definition{}, fmt.Errorf("%s: %w", path, err)
	}
	if len(d.Spec.Versions) != 1 {
		return definition{}, fmt.Errorf("%s has %d versions and the page is of one", path, len(d.Spec.Versions))
	}
	return d, nil
}

// condition is a condition type with its meaning.
type condition struct{ name, meaning string }

// readConditions reads the constants ConditionType... of a Go file, in their order; each has a comment "Name: meaning".
func readConditions(path string) ([]condition, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var conditions []condition
	for _, declaration := range file.Decls {
		constants, ok := declaration.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST {
			continue
		}
		for _, spec := range constants.Specs {
			c, ok, err := conditionOf(spec.(*ast.ValueSpec))
			if err != nil {
				return nil, err
			}
			if ok {
				conditions = append(conditions, c)
			}
		}
	}
	if len(conditions) == 0 {
		return nil, errors.New(path + " has no constant ConditionType...")
	}
	return conditions, nil
}

func conditionOf(spec *ast.ValueSpec) (condition, bool, error) {
	identifier := spec.Names[0].Name
	if !strings.HasPrefix(identifier, "ConditionType") || len(spec.Values) != 1 {
		return condition{}, false, nil
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return condition{}, false, nil
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return condition{}, false, err
	}
	meaning, ok := strings.CutPrefix(joinLines(spec.Doc.Text()), identifier+": ")
	if !ok {
		return condition{}, false, fmt.Errorf("the comment on %s does not begin with its name and a colon", identifier)
	}
	return condition{name: name, meaning: meaning}, true, nil
}

// joinLines makes one line of wrapped text.
func joinLines(text string) string { return strings.Join(strings.Fields(text), " ") }
