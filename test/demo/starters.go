package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// starterInterval is how often the programs that started this one are looked at.
const starterInterval = 300 * time.Millisecond

// errStarterGone is the cause when make or go was killed; neither passes that on to what it runs.
var errStarterGone = errors.New("the program that started this one has ended")

// watchStarters cancels the context when a `make` or `go run` that this program was started by is gone. A shell that started it
// directly may end: then it was put into the background on purpose.
func watchStarters(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	starters := starters()
	go func() {
		ticker := time.NewTicker(starterInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				for _, p := range starters {
					if !p.alive() {
						cancel(fmt.Errorf("%w: %w", errInterrupted, errStarterGone))
					}
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// identity names a process for good: a process id alone is used again after a while.
type identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot; 0 where the system does not tell
}

// identify reads the identity of a living process.
func identify(pid int) (identity, string, int, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return identity{PID: pid}, "", 0, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	// pid (name) state parent ...; the name may hold anything, so count from its closing bracket. Field 22 is the start time.
	text := string(data)
	open, closing := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	fields := strings.Fields(text[closing+1:])
	if open < 0 || closing < open || len(fields) < 20 {
		return identity{PID: pid}, "", 0, fmt.Errorf("looking at process %d: unexpected answer of the system", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return identity{PID: pid}, "", 0, fmt.Errorf("process %d has ended", pid)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return identity{PID: pid}, "", 0, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return identity{PID: pid}, "", 0, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	return identity{PID: pid, Start: start}, text[open+1 : closing], parent, nil
}

// alive tells whether this very process still runs.
func (i identity) alive() bool {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		p, err := os.FindProcess(i.PID) // no /proc: ask with a signal that does nothing
		return err == nil && p.Signal(nullSignal) == nil
	}
	now, _, _, err := identify(i.PID)
	return err == nil && (i.Start == 0 || now.Start == i.Start)
}

// starters lists the processes between this one and the outermost make or go that started it.
func starters() []identity {
	var chain []identity
	last := 0
	pid := os.Getppid()
	for pid > 1 {
		id, name, parent, err := identify(pid)
		if err != nil {
			break
		}
		switch name {
		case "make", "gmake", "go":
			chain = append(chain, id)
			last = len(chain)
		case "sh", "bash", "dash", "env":
			chain = append(chain, id)
		default:
			return chain[:last]
		}
		pid = parent
	}
	return chain[:last]
}
