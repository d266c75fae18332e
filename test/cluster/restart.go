package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
)

// server is one of the programs that make the control plane.
type server struct {
	program string
	args    []string
	health  string // URL that answers 200 when it is ready
}

// Kill ends one of the plane's own servers, such as kube-apiserver, as kill -9 does. The plane counts as well until Revive: what
// is to break is somebody else's.
func (p *Plane) Kill(program string) error {
	p.mu.Lock()
	child, found := lo.Find(p.children, func(c *process.Process) bool { return c.Name() == program })
	p.mu.Unlock()
	if !found {
		return fmt.Errorf("the control plane has no server %s", program)
	}
	return child.Kill()
}

// Revive starts a server again, after Kill, with the arguments and the address that it had; it returns when the server is ready.
func (p *Plane) Revive(ctx context.Context, program string) error {
	s, found := lo.Find(p.servers, func(s server) bool { return s.program == program })
	if !found {
		return fmt.Errorf("the control plane has no server %s", program)
	}
	if err := p.replace(s); err != nil {
		return err
	}
	return p.waitHealthy(ctx, program, s.health)
}

// replace starts a server in the place of its dead child, so that the order of stopping stays what it was.
func (p *Plane) replace(s server) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return fmt.Errorf("starting %s: the control plane has been stopped", s.program)
	}
	at := slices.IndexFunc(p.children, func(c *process.Process) bool { return c.Name() == s.program })
	select {
	case <-p.children[at].Done():
	default:
		return fmt.Errorf("%s runs already", s.program)
	}
	child, err := process.Start(process.Spec{
		Name: s.program, Path: filepath.Join(p.o.BinDir, s.program), Args: s.args, LogFile: p.files.path("logs/" + s.program + ".log"),
	})
	if err != nil {
		return err
	}
	p.children[at] = child
	return nil
}
