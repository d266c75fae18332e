package ocisim

import (
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

// UnmarshalJSON reads the delay as text, "1.5s".
func (f *Fault) UnmarshalJSON(raw []byte) error {
	var in struct {
		*faultFields
		Delay string `json:"delay"`
	}
	in.faultFields = (*faultFields)(f)
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	if in.Delay == "" {
		return nil
	}
	d, err := time.ParseDuration(in.Delay)
	if err != nil {
		return fmt.Errorf("delay %q is not of the form 1.5s: %w", in.Delay, err)
	}
	f.Delay = d
	return nil
}
