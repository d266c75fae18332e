package oci

import (
	"context"
	"sync/atomic"
)

// Answers counts the answers that calls got, one for each page of a list. The zero value is ready.
type Answers struct{ n atomic.Int64 }

type answersKey struct{}

// WithAnswers has the good answers to calls with this context counted.
func WithAnswers(ctx context.Context, a *Answers) context.Context {
	return context.WithValue(ctx, answersKey{}, a)
}

// Count is how many there were.
func (a *Answers) Count() int { return int(a.n.Load()) }

func noteAnswer(ctx context.Context) {
	if a, _ := ctx.Value(answersKey{}).(*Answers); a != nil {
		a.n.Add(1)
	}
}
