package ocisim

// table keeps records by identifier, in the order of their creation.
type table[T any] struct {
	byID map[string]T
	ids  []string
}

func newTable[T any]() *table[T] { return &table[T]{byID: map[string]T{}} }

func (t *table[T]) put(id string, record T) {
	if _, known := t.byID[id]; !known {
		t.ids = append(t.ids, id)
	}
	t.byID[id] = record
}

func (t *table[T]) get(id string) (T, bool) {
	record, ok := t.byID[id]
	return record, ok
}

// remove forgets the records. It costs one pass over the table however many go.
func (t *table[T]) remove(ids ...string) {
	for _, id := range ids {
		delete(t.byID, id)
	}
	kept := t.ids[:0]
	for _, id := range t.ids {
		if _, ok := t.byID[id]; ok {
			kept = append(kept, id)
		}
	}
	t.ids = kept
}

// all returns the records, oldest first.
func (t *table[T]) all() []T {
	out := make([]T, 0, len(t.ids))
	for _, id := range t.ids {
		out = append(out, t.byID[id])
	}
	return out
}
