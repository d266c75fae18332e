package capacity

// Why returns the mark that covers the offering for longest; ok is false when none does.
func (u *Unavailable) Why(o Offering) (longest Entry, ok bool) {
	u.expire()
	u.mu.RLock()
	defer u.mu.RUnlock()
	for i := range u.marks[o.Shape] {
		if e := &u.marks[o.Shape][i]; e.blocks(o) && (!ok || e.Until.After(longest.Until)) {
			longest, ok = *e, true
		}
	}
	return longest, ok
}
