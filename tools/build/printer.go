package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// printer writes progress: one line per tool, refreshed in place on a terminal and every half minute elsewhere.
type printer struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
}

func newPrinter(f *os.File) *printer {
	info, err := f.Stat()
	return &printer{w: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}

// watch shows a running job until the returned function is called.
func (p *printer) watch(title string, e *estimate) (stop func()) {
	every := 30 * time.Second
	if p.terminal {
		every = time.Second
	}
	p.show(title, about(e.left()))
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				p.show(title, about(e.left()))
			}
		}
	}()
	return func() {
		close(quit)
		<-gone
		if p.terminal {
			p.line("\r\x1b[K%s", title)
		}
	}
}

func (p *printer) show(title, left string) {
	if p.terminal {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s ... (%s)", title, left)
		return
	}
	p.line("%s ... (%s)", title, left)
}
