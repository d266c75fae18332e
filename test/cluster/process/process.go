// Package process runs child processes that cannot outlive their parent.
//
// A cluster made of half a dozen servers is only pleasant to use when it never leaves one of them behind. Every child
// therefore gets a process group of its own (so that Ctrl-C in the terminal reaches the parent only, which then stops the
// children in order) and, on Linux, a parent-death signal, so that even `kill -9` of the parent ends it.
package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// StopGrace is how long a child may take to end after SIGTERM before it is killed.
const StopGrace = 5 * time.Second

// Spec says what to run.
type Spec struct {
	Name    string   // short name for messages, e.g. "kube-apiserver"
	Path    string   // executable
	Args    []string // arguments, without the program's name
	Env     []string // complete environment; nil means the parent's
	Dir     string   // working directory; empty means the parent's
	LogFile string   // receives stdout and stderr; its folder is made. Empty discards them
	Jail    *Jail    // where it is confined to; nil confines nothing
}

// Jail confines a child as a container does, as far as that takes no container engine (Linux only): its root folder, below which Path and
// Dir are, and its user. Without root's rights that takes a user namespace, in which UID is this process's user.
type Jail struct {
	Root     string
	UID, GID uint32
}

// Process is a running child.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}

	mu      sync.Mutex
	err     error
	stopped bool
}

// Start runs the child. It returns when the child was created, not when it is ready.
func Start(spec Spec) (*Process, error) {
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env = spec.Env
	cmd.Dir = spec.Dir
	p := &Process{spec: spec, cmd: cmd, done: make(chan struct{})}
	if spec.LogFile != "" {
		if err := os.MkdirAll(filepath.Dir(spec.LogFile), 0o755); err != nil {
			return nil, fmt.Errorf("making the log folder of %s: %w", spec.Name, err)
		}
		f, err := os.Create(spec.LogFile)
		if err != nil {
			return nil, fmt.Errorf("making the log file of %s: %w", spec.Name, err)
		}
		p.log = f
		cmd.Stdout, cmd.Stderr = f, f
	}
	if err := spawn(cmd, spec.Jail); err != nil {
		if p.log != nil {
			_ = p.log.Close()
		}
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	go p.wait()
	return p, nil
}

func (p *Process) wait() {
	err := p.cmd.Wait()
	if p.log != nil {
		_ = p.log.Close()
	}
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(p.done)
}

// Done is closed when the child has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Name is the name given in Spec.
func (p *Process) Name() string { return p.spec.Name }

// LogFile is where the child's output goes; empty when it is discarded.
func (p *Process) LogFile() string { return p.spec.LogFile }

// Exited says why the child ended by itself: nil while it runs, and nil after Stop. Otherwise the error names the child,
// its exit status and the last lines of its log.
func (p *Process) Exited() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	status := "exit status 0"
	if p.err != nil {
		status = p.err.Error()
	}
	return &ExitError{Name: p.spec.Name, Status: status, LogFile: p.spec.LogFile, Tail: Tail(p.spec.LogFile, 5)}
}

// Stop ends the child: SIGTERM to its group, SIGKILL after StopGrace or when ctx ends. It may be called again and after the child ended.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	select {
	case <-p.done:
		return nil
	default:
	}
	signalGroup(p.PID(), syscall.SIGTERM)
	grace := time.NewTimer(StopGrace)
	defer grace.Stop()
	select {
	case <-p.done:
		return nil
	case <-grace.C:
	case <-ctx.Done():
	}
	return p.Kill()
}

// Signal sends a signal to the child's group. Ending it is then its own doing: Exited does not count that as an accident.
func (p *Process) Signal(signal syscall.Signal) {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	select {
	case <-p.done:
	default:
		signalGroup(p.PID(), signal)
	}
}

// ExitCode is the status that the child ended with, -1 when a signal ended it; call it after Done.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Kill ends the child at once and waits for its end.
func (p *Process) Kill() error {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	select {
	case <-p.done:
		return nil
	default:
	}
	signalGroup(p.PID(), syscall.SIGKILL)
	select {
	case <-p.done:
		return nil
	case <-time.After(StopGrace):
		return fmt.Errorf("%s (pid %d) does not end after SIGKILL", p.spec.Name, p.PID())
	}
}

func signalGroup(pid int, sig syscall.Signal) {
	if err := syscall.Kill(-pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		_ = syscall.Kill(pid, sig)
	}
}

// ExitError tells that a child ended although nobody asked it to.
type ExitError struct {
	Name    string
	Status  string
	LogFile string
	Tail    string // last lines of the log
}

func (e *ExitError) Error() string {
	msg := fmt.Sprintf("%s ended by itself (%s)", e.Name, e.Status)
	if e.LogFile != "" {
		msg += "; its log is " + e.LogFile
	}
	if e.Tail != "" {
		msg += "; last lines:\n" + e.Tail
	}
	return msg
}

// PortTaken tells whether the child's log says that an address it wanted was in use.
func (e *ExitError) PortTaken() bool {
	return strings.Contains(Tail(e.LogFile, 60), "address already in use")
}

// Tail returns the last n lines of a file, or nothing when it cannot be read.
func Tail(path string, n int) string {
	if path == "" {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var lines []string
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(make([]byte, 0, 64<<10), 4<<20)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
