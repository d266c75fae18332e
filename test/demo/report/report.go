// Package report turns a recording and its verdicts into report.html, which needs nothing but itself, and report.json.
package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// The files that Write makes.
const (
	HTMLFile      = "report.html"
	JSONFile      = "report.json"
	RecordingFile = "recording.json"
)

// Figure is a number that deserves to stand at the top of the report.
type Figure struct {
	Value string
	What  string
}

// Input is all a report is made of.
type Input struct {
	Title     string
	Recording *record.Recording
	Checks    []record.Check
	Timings   map[string]float64 // seconds
	Figures   []Figure
	// Charts is the folder of the repository's charts as seen from the report, for its links to dashboards; empty for none.
	Charts string
}

// Document is report.json.
type Document struct {
	Passed          bool               `json:"passed"`
	Started         time.Time          `json:"started"`
	DurationSeconds float64            `json:"duration_seconds"`
	Failure         string             `json:"failure,omitempty"`
	Checks          []record.Check     `json:"checks"`
	OCICalls        map[string]int     `json:"oci_calls"`
	Timings         map[string]float64 `json:"timings"` // seconds
	Versions        map[string]string  `json:"versions"`
}

// Passed tells whether the play as a whole went as it should.
func (in Input) Passed() bool {
	return len(in.Checks) > 0 && record.Failed(in.Checks) == 0 && in.Recording.Failure == ""
}

// JSON renders report.json.
func JSON(in Input) ([]byte, error) {
	r := in.Recording
	doc := Document{
		Passed: in.Passed(), Started: r.Started, DurationSeconds: round(r.Ended.Sub(r.Started).Seconds()), Failure: r.Failure,
		Checks: orEmpty(in.Checks), OCICalls: orEmptyMap(r.OCICalls), Timings: orEmptyMap(in.Timings), Versions: orEmptyMap(r.Versions),
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", JSONFile, err)
	}
	return append(data, '\n'), nil
}

// Write stores report.html, report.json and the recording itself in a folder.
func Write(dir string, in Input) error {
	page, err := HTML(in)
	if err != nil {
		return err
	}
	data, err := JSON(in)
	if err != nil {
		return err
	}
	if err := record.WriteFile(filepath.Join(dir, HTMLFile), page); err != nil {
		return err
	}
	if err := in.Recording.Write(filepath.Join(dir, RecordingFile)); err != nil {
		return err
	}
	return record.WriteFile(filepath.Join(dir, JSONFile), data)
}

//go:embed page.html.tmpl
var pageSource string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("report").Funcs(template.FuncMap{"sortedKeys": sortedKeys[int], "versionKeys": sortedKeys[string], "timingKeys": sortedKeys[float64]}).Parse(pageSource))

type pageData struct {
	Input
	R        *record.Recording
	Style    template.CSS
	Outcome  string
	Good     int
	Duration string
	Plots    []figurePlot
	Boards   []dashboard
	Phases   []phaseRow
	Claims   []claimRow
	Calls    int
}

type phaseRow struct {
	Number   int
	Name     string
	Duration string
	Error    string
}

type claimRow struct {
	Name, Type, Instance, Launched, Ready, Lived string
}

// HTML renders report.html.
func HTML(in Input) ([]byte, error) {
	r := in.Recording
	data := pageData{
		Input: in, R: r, Style: template.CSS(pageStyle), Outcome: "FAILED", Good: len(in.Checks) - record.Failed(in.Checks),
		Duration: length(r.Ended.Sub(r.Started)), Plots: plots(r), Boards: dashboards, Calls: r.OCICallTotal(),
	}
	if in.Passed() {
		data.Outcome = "PASSED"
	}
	for i, p := range r.Phases {
		end := p.End
		if end.IsZero() {
			end = r.Ended
		}
		data.Phases = append(data.Phases, phaseRow{i + 1, p.Name, length(end.Sub(p.Start)), p.Error})
	}
	for _, c := range r.NodeClaims {
		data.Claims = append(data.Claims, newClaimRow(r, c))
	}
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", HTMLFile, err)
	}
	return out.Bytes(), nil
}

func newClaimRow(r *record.Recording, c record.NodeClaim) claimRow {
	row := claimRow{Name: c.Name, Type: c.InstanceType, Launched: after(c.Created, c.Launched), Ready: after(c.Created, c.Initialized), Lived: after(c.Created, c.Gone)}
	i := slices.IndexFunc(r.Instances, func(i record.Instance) bool { return i.ID == c.ProviderID })
	if i >= 0 {
		o := r.Instances[i]
		_, ad, _ := strings.Cut(o.AD, ":")
		row.Instance = fmt.Sprintf("%g OCPU, %g GB, %d GB disk, %s", o.OCPUs, o.MemoryGB, o.BootVolumeGB, ad)
		if t := c.TypeSize; t.OCPUs > 0 && (o.OCPUs != t.OCPUs || o.MemoryGB != t.MemoryGB) {
			row.Instance += fmt.Sprintf(" (fitted from %g OCPU, %g GB)", t.OCPUs, t.MemoryGB)
		}
	}
	return row
}

func after(from, to time.Time) string {
	if to.IsZero() {
		return "–"
	}
	return length(to.Sub(from))
}

func length(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}

func round(seconds float64) float64 { return float64(int(seconds*1000+0.5)) / 1000 }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func orEmpty(c []record.Check) []record.Check {
	if c == nil {
		return []record.Check{}
	}
	return c
}

func orEmptyMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}
