package ocisim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// faultFields has Fault's members without its methods.
type faultFields Fault

// MarshalJSON writes the delay as text, "1.5s".
func (f Fault) MarshalJSON() ([]byte, error) {
	out := struct {
		faultFields
		Delay string `json:"delay,omitempty"`
	}{faultFields: faultFields(f)}
	if f.Delay > 0 {
		out.Delay = f.Delay.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the delay as text, "1.5s", and refuses members it does not know.
func (f *Fault) UnmarshalJSON(raw []byte) error {
	var in struct {
		*faultFields
		Delay string `json:"delay"`
	}
	in.faultFields = (*faultFields)(f)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return err
	}
	if in.Delay == "" {
		return nil
	}
	delay, err := time.ParseDuration(in.Delay)
	if err != nil {
		return fmt.Errorf("delay %q is not of the form 1.5s: %w", in.Delay, err)
	}
	f.Delay = delay
	return nil
}
