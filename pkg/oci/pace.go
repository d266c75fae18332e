package oci

import "time"

const (
	// climb is how long a class takes from half of the rate at which OCI said 429 back to most of it.
	climb = 5 * time.Second
	// plateau is the part of that rate to which it climbs; it is known to be near what the service allows.
	plateau = 0.9
	// probe is the growth a second beyond the plateau, as a part of it: doubling takes a bit over a minute and a half, so a service
	// that allows one rate says 429 to about one call in a hundred.
	probe = 0.01
	// leastRate keeps a class alive through any number of 429s: one call in two seconds.
	leastRate = 0.5
)

// pace is how many calls a second a class may make: its ceiling, and after a 429 half of what it was, growing back. It is a
// pure function of time, so nothing has to run for it. It is not safe for concurrent use.
type pace struct {
	ceiling float64
	failed  float64   // rate at which the last 429 came; 0 when there was none
	from    time.Time // when growth began: the end of the pause after the last 429
}

// at is the rate at a time, in calls a second.
func (p *pace) at(now time.Time) float64 {
	if p.failed == 0 {
		return p.ceiling
	}
	least := min(leastRate, p.ceiling)
	low, high := max(p.failed/2, least), max(p.failed*plateau, least)
	grown := max(now.Sub(p.from), 0)
	if grown < climb {
		return min(low+(high-low)*float64(grown)/float64(climb), p.ceiling)
	}
	return min(high*(1+probe*(grown-climb).Seconds()), p.ceiling)
}

// cut halves the rate; growth begins at from.
func (p *pace) cut(now, from time.Time) {
	p.failed, p.from = p.at(now), from
}
