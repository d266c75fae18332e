package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// Point is a value at a time in seconds.
type Point struct{ T, V float64 }

// Series is one line of a plot. Values hold until the next point.
type Series struct {
	Name   string
	Class  string // CSS class of its colour
	Points []Point
}

// Band marks a stretch of time.
type Band struct {
	Name     string
	From, To float64
	Failed   bool
}

// Plot is a timeline.
type Plot struct {
	Series  []Series
	Bands   []Band
	End     float64 // of the time axis, in seconds
	Unit    string  // before the values: "$" or nothing
	Stacked bool    // series are areas that lie upon one another, first at the bottom
}

// The plot's geometry in SVG units; the page scales it to its width.
const (
	plotWidth, plotHeight      = 1000.0, 250.0
	leftEdge, rightEdge        = 58.0, 976.0
	topEdge, bottomEdge        = 26.0, 218.0
	wantedTicksX, wantedTicksY = 8, 4
)

type scale struct{ endT, maxV float64 }

func (s scale) x(t float64) float64 {
	return leftEdge + (rightEdge-leftEdge)*math.Min(math.Max(t/s.endT, 0), 1)
}

func (s scale) y(v float64) float64 { return bottomEdge - (bottomEdge-topEdge)*v/s.maxV }

// SVG draws the plot.
func (p Plot) SVG(title string) template.HTML {
	series := p.Series
	if p.Stacked {
		series = stack(series)
	}
	highest := 0.0
	for _, s := range series {
		for _, pt := range s.Points {
			highest = math.Max(highest, pt.V)
		}
	}
	step := niceStep(highest, wantedTicksY, p.Unit == "")
	sc := scale{endT: math.Max(p.End, 1), maxV: math.Max(step, math.Ceil(highest/step*1.04)*step)}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, plotWidth, plotHeight, template.HTMLEscapeString(title))
	p.drawBands(&b, sc)
	p.drawAxes(&b, sc, step)
	if p.Stacked {
		for i := len(series) - 1; i >= 0; i-- {
			drawArea(&b, sc, series[i])
		}
	} else {
		for i := len(series) - 1; i >= 0; i-- {
			drawLine(&b, sc, series[i])
		}
	}
	b.WriteString(`</svg>`)
	p.legend(&b)
	return template.HTML(b.String()) // every text in it has been escaped
}

func (p Plot) drawBands(b *strings.Builder, sc scale) {
	for i, band := range p.Bands {
		class := []string{"band", "band odd"}[i%2]
		if band.Failed {
			class = "band failed"
		}
		x, width := sc.x(band.From), math.Max(sc.x(band.To)-sc.x(band.From), 1)
		name := template.HTMLEscapeString(band.Name)
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%g" width="%.1f" height="%g"><title>%d. %s, %.1f s</title></rect>`,
			class, x, topEdge, width, bottomEdge-topEdge, i+1, name, band.To-band.From)
		fmt.Fprintf(b, `<text class="bandname" x="%.1f" y="%g">%d</text>`, x+width/2, topEdge-8, i+1)
	}
}

func (p Plot) drawAxes(b *strings.Builder, sc scale, step float64) {
	for v := 0.0; v <= sc.maxV+step/1e6; v += step {
		y := sc.y(v)
		fmt.Fprintf(b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick y" x="%g" y="%.1f">%s%s</text>`,
			leftEdge, rightEdge, y, y, leftEdge-8, y+4, p.Unit, number(v, step))
	}
	timeStep := niceTimeStep(sc.endT)
	for t := 0.0; t <= sc.endT; t += timeStep {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text class="tick x" x="%.1f" y="%g">%d:%02d</text>`,
			sc.x(t), sc.x(t), bottomEdge, bottomEdge+5, sc.x(t), bottomEdge+20, int(t)/60, int(t)%60)
	}
}

// steps is the SVG path of values that hold until the next point.
func steps(sc scale, points []Point) string {
	var b strings.Builder
	for i, pt := range points {
		if i == 0 {
			fmt.Fprintf(&b, "M%.1f %.1f", sc.x(pt.T), sc.y(pt.V))
			continue
		}
		if pt.V != points[i-1].V || i == len(points)-1 {
			fmt.Fprintf(&b, "H%.1fV%.1f", sc.x(pt.T), sc.y(pt.V))
		}
	}
	return b.String()
}

func drawLine(b *strings.Builder, sc scale, s Series) {
	if len(s.Points) > 0 {
		fmt.Fprintf(b, `<path class="line %s" d="%s"><title>%s</title></path>`, s.Class, steps(sc, s.Points), template.HTMLEscapeString(s.Name))
	}
}

func drawArea(b *strings.Builder, sc scale, s Series) {
	if len(s.Points) == 0 {
		return
	}
	fmt.Fprintf(b, `<path class="area %s" d="%sV%.1fH%.1fZ"><title>%s</title></path>`,
		s.Class, steps(sc, s.Points), sc.y(0), sc.x(s.Points[0].T), template.HTMLEscapeString(s.Name))
}

// stack adds to every series the ones before it.
func stack(series []Series) []Series {
	out := make([]Series, len(series))
	for i, s := range series {
		points := make([]Point, len(s.Points))
		copy(points, s.Points)
		if i > 0 {
			for j := range points {
				points[j].V += out[i-1].Points[j].V
			}
		}
		out[i] = Series{Name: s.Name, Class: s.Class, Points: points}
	}
	return out
}

func (p Plot) legend(b *strings.Builder) {
	b.WriteString(`<div class="legend">`)
	for _, s := range p.Series {
		fmt.Fprintf(b, `<span><i class="%s"></i>%s</span>`, s.Class, template.HTMLEscapeString(s.Name))
	}
	b.WriteString(`</div>`)
}

// niceStep is a step of 1, 2 or 5 times a power of ten that gives about so many ticks up to a value; whole asks for at least 1.
func niceStep(highest float64, ticks int, whole bool) float64 {
	if highest <= 0 {
		return 1
	}
	raw := highest / float64(ticks)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * power
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw {
			step = m * power
			break
		}
	}
	if whole {
		step = math.Max(step, 1)
	}
	return step
}

// niceTimeStep is a step in seconds that people count in.
func niceTimeStep(end float64) float64 {
	for _, step := range []float64{1, 5, 10, 15, 30, 60, 120, 300, 600, 1800} {
		if end/step <= wantedTicksX*1.5 {
			return step
		}
	}
	return math.Ceil(end/wantedTicksX/3600) * 3600
}

// number writes a tick's value with as many decimals as its step needs.
func number(v, step float64) string {
	decimals := 0
	for step < 0.999 && decimals < 6 {
		step *= 10
		decimals++
	}
	return fmt.Sprintf("%.*f", decimals, v)
}
