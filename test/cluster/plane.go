// Package cluster runs a real Kubernetes control plane on this machine: etcd, kube-apiserver (RBAC and node authorisation on),
// kube-scheduler and kube-controller-manager, on free loopback ports, several side by side. Its children never outlive the
// process that started them, and everything it writes is below one folder.
//
// Nodes come from its sibling packages: kubelets (machines of the OCI simulator that boot and register) and virtualnodes.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/pki"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
)

// Requests per second and burst of the clients this package hands out; high, because a simulated fleet shares few clients.
const (
	clientQPS   = 400
	clientBurst = 800
)

// attempts is how often a start is tried again after another process took one of the chosen ports.
const attempts = 5

// Plane is a running control plane.
type Plane struct {
	o     Options
	files files
	log   *slog.Logger
	ca    *pki.Authority
	host  string // https://127.0.0.1:port

	servers []server // the plane's own, in order of start

	mu       sync.Mutex
	children []*process.Process // in order of start
	stopped  bool
	stopErr  error
}

// Start brings a control plane up and returns when it answers and schedules. When it fails, or ctx ends before it is ready, nothing
// is left running. The plane does not end with ctx: call Stop. Errors: *binaries.Missing when bin/ is not complete,
// *process.ExitError when a server ended by itself.
func Start(ctx context.Context, o Options) (*Plane, error) {
	// The clients of this process log to nobody, unless it has said otherwise before. Left open, controller-runtime prints a stack after a while.
	log.SetLogger(logr.Discard())
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("preparing a control plane: %w", err)
	}
	if err := binaries.Check(o.BinDir, Programs()...); err != nil {
		removeIfEmpty(o.WorkDir)
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.StartTimeout, fmt.Errorf("the control plane was not ready within %s", o.StartTimeout))
	defer cancel()
	for attempt := 1; ; attempt++ {
		p := &Plane{o: o, files: files{root: o.WorkDir}, log: o.logger()}
		err := p.start(ctx)
		if err == nil {
			return p, nil
		}
		p.o.KeepWorkDir = o.KeepWorkDir || !portTaken(err)
		_ = p.Stop(context.WithoutCancel(ctx))
		if !portTaken(err) || attempt == attempts || ctx.Err() != nil {
			return nil, fmt.Errorf("starting the control plane (logs in %s): %w", p.files.path("logs"), err)
		}
		p.log.Info("a port was taken by somebody else, trying others", "attempt", attempt)
	}
}

func portTaken(err error) bool {
	var exit *process.ExitError
	return errors.As(err, &exit) && exit.PortTaken()
}

func (p *Plane) start(ctx context.Context) error {
	ports, err := newPortSet()
	if err != nil {
		return err
	}
	p.host = loopback("https", ports.apiserver)
	if err := p.files.clear(); err != nil {
		return err
	}
	if err := p.writeFiles(); err != nil {
		return err
	}
	begin := time.Now()
	steps := []server{
		{"etcd", etcdArgs(p.files, ports), loopback("http", ports.etcdClient) + "/health"},
		{"kube-apiserver", apiserverArgs(p.files, ports, p.o), p.host + "/readyz"},
		{"kube-scheduler", schedulerArgs(p.files, ports, p.o), loopback("https", ports.scheduler) + "/readyz"},
		{"kube-controller-manager", controllerManagerArgs(p.files, ports, p.o), loopback("https", ports.controllerManager) + "/healthz"},
	}
	p.servers = steps
	// etcd and the API server in turn; the last two come up together.
	for i, s := range steps {
		if _, err := p.Run(process.Spec{Name: s.program, Path: filepath.Join(p.o.BinDir, s.program), Args: s.args}); err != nil {
			return err
		}
		if i < 2 {
			if err := p.waitHealthy(ctx, s.program, s.health); err != nil {
				return err
			}
		}
	}
	for _, s := range steps[2:] {
		if err := p.waitHealthy(ctx, s.program, s.health); err != nil {
			return err
		}
	}
	if err := p.furnish(ctx); err != nil {
		return err
	}
	p.log.Info("control plane is ready", "url", p.host, "after", time.Since(begin).Round(100*time.Millisecond).String())
	return nil
}

// waitHealthy waits until url answers 200, or a child ended by itself, or ctx ended.
func (p *Plane) waitHealthy(ctx context.Context, program, url string) error {
	probe := newProbe()
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := p.Err(); err != nil {
			return false, err
		}
		last = probe.check(ctx, url)
		return last == nil, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("waiting for %s: %w (last answer: %w)", program, context.Cause(ctx), last)
	}
	return err
}

// Run starts another program that belongs to the plane: it is stopped before the plane's own servers. Empty LogFile means
// WorkDir/logs/<name>.log.
func (p *Plane) Run(spec process.Spec) (*process.Process, error) {
	if spec.LogFile == "" {
		spec.LogFile = p.files.path("logs/" + spec.Name + ".log")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil, fmt.Errorf("starting %s: the control plane has been stopped", spec.Name)
	}
	child, err := process.Start(spec)
	if err != nil {
		return nil, err
	}
	p.children = append(p.children, child)
	return child, nil
}

// Err returns *process.ExitError when one of the plane's programs has ended by itself.
func (p *Plane) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, child := range p.children {
		if err := child.Exited(); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends all children in reverse order and removes what the plane wrote (not with KeepWorkDir). Later calls return the first one's result.
func (p *Plane) Stop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return p.stopErr
	}
	p.stopped = true
	var errs []error
	for i := len(p.children) - 1; i >= 0; i-- {
		// State is thrown away with the folder, so only programs that others talk to get the time to end in order.
		if p.o.KeepWorkDir {
			errs = append(errs, p.children[i].Stop(ctx))
			continue
		}
		errs = append(errs, p.children[i].Kill())
	}
	if !p.o.KeepWorkDir {
		errs = append(errs, p.files.clear())
		removeIfEmpty(p.o.WorkDir)
	}
	p.stopErr = errors.Join(errs...)
	return p.stopErr
}

// removeIfEmpty removes a folder that holds nothing; a folder that still holds the caller's files stays.
func removeIfEmpty(dir string) { _ = os.Remove(dir) }

// URL is the API server's address, https://127.0.0.1:port.
func (p *Plane) URL() string { return p.host }

// WorkDir is the folder below which everything of this plane is.
func (p *Plane) WorkDir() string { return p.o.WorkDir }

// BinDir is where the plane's programs come from.
func (p *Plane) BinDir() string { return p.o.BinDir }

// AuditLogFile is where requests are recorded; empty without AuditLog.
func (p *Plane) AuditLogFile() string {
	if !p.o.AuditLog {
		return ""
	}
	return p.files.path("audit.jsonl")
}

// Kubeconfig is the path of a kubeconfig with all rights.
func (p *Plane) Kubeconfig() string { return p.files.path("kubeconfig") }

// CA is the PEM certificate of the API server's authority: what a node must be given to trust the server.
func (p *Plane) CA() []byte { return p.ca.CertPEM() }

// RESTConfig has all rights.
func (p *Plane) RESTConfig() *rest.Config {
	cfg, err := p.ConfigFor(adminUser, adminGroup)
	if err != nil {
		// The authority signed the same certificate when the plane started; a config without one is refused by the server.
		p.log.Error("making the admin config", "error", err)
		return &rest.Config{Host: p.host}
	}
	return cfg
}

// ConfigFor returns a client configuration that authenticates as user with groups by a certificate of the cluster's authority.
func (p *Plane) ConfigFor(user string, groups ...string) (*rest.Config, error) {
	pair, err := p.ca.Client(user, groups...)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            p.host,
		TLSClientConfig: rest.TLSClientConfig{CAData: p.CA(), CertData: pair.Cert, KeyData: pair.Key},
		QPS:             clientQPS,
		Burst:           clientBurst,
		UserAgent:       "karpenter-oke-test-cluster",
	}, nil
}
