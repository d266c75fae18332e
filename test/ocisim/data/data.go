// Package data holds the catalogue the simulator serves: the shapes and the images of a real region.
package data

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/oracle/oci-go-sdk/v65/core"
)

var (
	//go:embed shapes.json
	shapes []byte
	//go:embed oke-images.json
	images []byte
)

// Shapes returns the catalogue of compute shapes, sorted by name.
func Shapes() ([]core.Shape, error) {
	var out []core.Shape
	if err := decode(shapes, &out); err != nil {
		return nil, fmt.Errorf("decoding the embedded shapes: %w", err)
	}
	return out, nil
}

// Images returns the catalogue of images as region us-ashburn-1 lists them, newest first.
func Images() ([]core.Image, error) {
	var out []core.Image
	if err := decode(images, &out); err != nil {
		return nil, fmt.Errorf("decoding the embedded images: %w", err)
	}
	return out, nil
}

// decode drops the members that only say where a record comes from and decodes the rest strictly, so that a misspelt member fails instead of vanishing.
func decode[T any](raw []byte, out *[]T) error {
	var records []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &records); err != nil {
		return err
	}
	for _, record := range records {
		for key := range record {
			if len(key) > 2 && key[:2] == "x-" {
				delete(record, key)
			}
		}
	}
	clean, err := json.Marshal(records)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(clean))
	d.DisallowUnknownFields()
	return d.Decode(out)
}
