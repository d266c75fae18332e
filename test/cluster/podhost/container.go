package podhost

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
)

// probeTick is how often probes are looked at; each has its own period.
const probeTick = 100 * time.Millisecond

// container is the one container of a pod on this host, as a process.
type container struct {
	pod   *corev1.Pod
	spec  *corev1.Container
	start process.Spec
	ports map[int32]int32 // declared to mapped

	ending bool // guarded by the host's lock

	mu       sync.Mutex
	process  *process.Process
	restarts int32
	ready    bool
	started  bool
	since    time.Time // of the last start
}

// prepare makes everything that a container's process needs: root folder, volumes, environment, arguments, user.
func (h *Host) prepare(ctx context.Context, pod *corev1.Pod) (*container, error) {
	if len(pod.Spec.Containers) != 1 || len(pod.Spec.InitContainers) > 0 {
		return nil, fmt.Errorf("pods have one container here, and %s has others", pod.Name)
	}
	c := &pod.Spec.Containers[0]
	root := filepath.Join(h.o.Dir, pod.Name, "root")
	if err := os.RemoveAll(root); err != nil { // of an attempt before
		return nil, fmt.Errorf("emptying the root folder: %w", err)
	}
	image, err := h.o.Pull(ctx, c.Image, root)
	if err != nil {
		return nil, fmt.Errorf("pulling %s: %w", c.Image, err)
	}
	if err := mount(ctx, h.kube, pod, c, root); err != nil {
		return nil, err
	}
	if err := writeFiles(filepath.Join(root, "etc"), map[string][]byte{"hosts": []byte(loopback + " localhost " + pod.Name + "\n"), "resolv.conf": []byte("nameserver " + loopback + "\n")}); err != nil {
		return nil, fmt.Errorf("writing /etc: %w", err)
	}
	values, err := environment(ctx, h.kube, pod, c, map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": pod.Name,
		"KUBERNETES_SERVICE_HOST": h.apiHost, "KUBERNETES_SERVICE_PORT": h.apiPort,
	})
	if err != nil {
		return nil, err
	}
	uid, gid, err := user(pod, c, image.Config.User)
	if err != nil {
		return nil, err
	}
	args := lo.Map(c.Args, func(arg string, _ int) string { return expand(arg, values) })
	args, ports, err := mapPorts(args, c.Ports, freePort)
	if err != nil {
		return nil, err
	}
	command := append(entry(image, c), args...)
	if len(command) == 0 {
		return nil, fmt.Errorf("neither the container nor its image %s says what to run", c.Image)
	}
	return &container{pod: pod, spec: c, ports: ports, start: process.Spec{
		Name: pod.Name, Path: command[0], Args: command[1:], Dir: lo.CoalesceOrEmpty(c.WorkingDir, image.Config.WorkingDir, "/"),
		Env: lo.MapToSlice(values, func(name, value string) string { return name + "=" + value }), Jail: &process.Jail{Root: root, UID: uid, GID: gid},
	}}, nil
}

// entry is the program and its first arguments, of the container or else of its image.
func entry(image v1.Image, c *corev1.Container) []string {
	if len(c.Command) > 0 {
		return c.Command
	}
	return append([]string{}, image.Config.Entrypoint...)
}

// launch starts the process, the first time or again.
func (c *container) launch(dir string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	spec := c.start
	spec.LogFile = filepath.Join(dir, c.pod.Name, fmt.Sprintf("%d.log", c.restarts))
	child, err := process.Start(spec)
	if err != nil {
		return err
	}
	c.process, c.since, c.ready, c.started = child, now, false, c.spec.StartupProbe == nil
	return nil
}

func (c *container) current() *process.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process
}

// probe watches the process until ctx ends or the process does: it is ready when its readiness probe says so, and killed when its startup or
// liveness probe has failed too often.
func (c *container) probe(ctx context.Context) {
	child := c.current()
	startup, readiness, liveness := newProbe(c.spec.StartupProbe), newProbe(c.spec.ReadinessProbe), newProbe(c.spec.LivenessProbe)
	tick := time.NewTicker(probeTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-child.Done():
			return
		case now := <-tick.C:
			c.look(ctx, now, startup, readiness, liveness)
		}
	}
}

func (c *container) look(ctx context.Context, now time.Time, startup, readiness, liveness *probe) {
	c.mu.Lock()
	started := c.started
	c.mu.Unlock()
	if !started {
		startup.ask(ctx, now, c.port)
		if startup.failed() {
			c.current().Signal(syscall.SIGKILL)
		}
		c.mu.Lock()
		c.started = startup.good
		c.mu.Unlock()
		return
	}
	readiness.ask(ctx, now, c.port)
	liveness.ask(ctx, now, c.port)
	if liveness.failed() {
		c.current().Signal(syscall.SIGKILL)
	}
	c.mu.Lock()
	c.ready = readiness.good
	c.mu.Unlock()
}

// port is the mapped port for a declared one, given by number or name; 0 when none is declared.
func (c *container) port(declared intstr.IntOrString) int32 {
	for _, p := range c.spec.Ports {
		if p.Name == declared.StrVal && declared.Type == intstr.String || p.ContainerPort == declared.IntVal && declared.Type == intstr.Int {
			return c.ports[p.ContainerPort]
		}
	}
	return 0
}

// probe is one of a container's probes and how it went; a container without one is well.
type probe struct {
	*corev1.Probe
	good     bool
	failures int32
	next     time.Time
}

func newProbe(p *corev1.Probe) *probe { return &probe{Probe: p, good: p == nil} }

func (p *probe) failed() bool { return p.Probe != nil && p.failures >= max(p.FailureThreshold, 1) }

// ask sends the probe's request when it is time. Only HTTP is done here.
func (p *probe) ask(ctx context.Context, now time.Time, port func(intstr.IntOrString) int32) {
	if p.Probe == nil || now.Before(p.next) {
		return
	}
	p.next = now.Add(time.Duration(max(p.PeriodSeconds, 1)) * time.Second)
	if err := p.get(ctx, port(p.HTTPGet.Port)); err != nil {
		if p.failures++; p.failures >= max(p.FailureThreshold, 1) {
			p.good = false
		}
		return
	}
	p.failures, p.good = 0, true
}

func (p *probe) get(ctx context.Context, port int32) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(p.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", loopback, port, p.HTTPGet.Path), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("it answered %s", response.Status)
	}
	return nil
}

// end asks the process to end and kills it after its grace. It returns the exit code and the time it took.
func (c *container) end(grace time.Duration) Ended {
	child, begin := c.current(), time.Now()
	if child == nil {
		return Ended{Pod: c.pod.Name}
	}
	child.Signal(syscall.SIGTERM)
	select {
	case <-child.Done():
	case <-time.After(grace):
		_ = child.Kill()
	}
	return Ended{Pod: c.pod.Name, Asked: true, ExitCode: child.ExitCode(), After: time.Since(begin), Log: child.LogFile()}
}

func freePort() (int32, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("looking for a free port: %s is no TCP address", l.Addr())
	}
	return int32(address.Port), nil
}

// remove deletes what a pod left, except its logs.
func (h *Host) remove(pod string) { _ = os.RemoveAll(filepath.Join(h.o.Dir, pod, "root")) }
