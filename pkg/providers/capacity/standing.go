package capacity

import (
	"slices"
	"time"
)

// Replace puts all marks of one source in the place of those that it gave before. Learned marks and those of other sources stay. The
// marks end by themselves at until, so that a source that falls silent hides nothing for ever.
func (u *Unavailable) Replace(source string, marks []Entry, until time.Time) {
	next := map[string][]Entry{}
	for _, e := range marks {
		e.source, e.Until = source, until
		next[e.Shape] = append(next[e.Shape], e)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	shapes := map[string]bool{}
	for shape := range next {
		shapes[shape] = true
	}
	for shape := range u.marks {
		shapes[shape] = true
	}
	for shape := range shapes {
		u.replaceOf(source, shape, next[shape])
	}
	u.scheduleExpiry()
}

// replaceOf replaces the marks of one source for one shape; the lock is held. Readers see a change only where there is one.
func (u *Unavailable) replaceOf(source, shape string, next []Entry) {
	var before, all []Entry
	for _, e := range u.marks[shape] {
		if e.source == source {
			before = append(before, e)
		} else {
			all = append(all, e)
		}
	}
	if len(before)+len(next) == 0 {
		return
	}
	if !slices.EqualFunc(before, next, func(a, b Entry) bool { return a.same(b) }) {
		u.touch(shape)
	}
	if all = append(all, next...); len(all) > 0 {
		u.marks[shape] = all
	} else {
		delete(u.marks, shape)
	}
}
