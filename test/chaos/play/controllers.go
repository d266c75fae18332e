package play

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

// restartAfter is how long a controller that ended by itself stays away, as a kubelet would start it again.
const restartAfter = time.Second

// controllers keeps the cluster's controllers running: whoever is killed or ends comes back.
type controllers struct {
	e      *environment.Environment
	path   string // program; empty: the environment's
	dir    string // for logs
	env    []string
	args   []string
	clock  clock.Clock
	client *http.Client

	mu    sync.Mutex
	slots []*slot
}

// slot is the place of one controller, as a pod of a Deployment is.
type slot struct {
	number  int
	starts  int
	process *process.Process
	metrics string // http://127.0.0.1:port
	health  string
	away    time.Duration // how long the killed process stays away
	killed  bool
	ended   int           // times that it ended by itself
	hold    chan struct{} // closed when it may start again; nil: at once
}

func newControllers(e *environment.Environment, path, dir string, count int, clk clock.Clock) *controllers {
	c := &controllers{e: e, path: path, dir: dir, clock: clk, client: &http.Client{Timeout: 5 * time.Second}}
	c.args = []string{"--enable-profiling", "--log-level", "info"}
	if count > 1 {
		c.args = append(c.args, "--disable-leader-election=false", "--leader-election-namespace=karpenter")
	}
	if path != "" {
		c.env = append(c.env, "GORACE=log_path="+filepath.Join(dir, "race"))
	}
	for i := range count {
		c.slots = append(c.slots, &slot{number: i})
	}
	return c
}

// run keeps every slot filled until ctx ends.
func (c *controllers) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range c.slots {
		group.Go(func() error { return c.keep(ctx, s) })
	}
	return group.Wait()
}

func (c *controllers) keep(ctx context.Context, s *slot) error {
	for ctx.Err() == nil {
		child, err := c.start(ctx, s)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return child.Stop(context.WithoutCancel(ctx))
		case <-child.Done():
		}
		c.mu.Lock()
		wait, hold := s.away, s.hold
		if !s.killed {
			s.ended++
			wait = restartAfter
		}
		s.process = nil
		c.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-ctx.Done():
			}
		}
		sleep(ctx, c.clock, wait)
	}
	return nil
}

func (c *controllers) start(ctx context.Context, s *slot) (*process.Process, error) {
	ports, err := cluster.FreePorts(2)
	if err != nil {
		return nil, err
	}
	spec, err := c.e.ControllerSpec(ctx, ports[0], ports[1], c.args...)
	if err != nil {
		return nil, err
	}
	if c.path != "" {
		spec.Path = c.path
	}
	spec.Env = append(spec.Env, c.env...)
	c.mu.Lock()
	defer c.mu.Unlock()
	s.starts++
	spec.Name = fmt.Sprintf("controller-%d-%d", s.number, s.starts)
	spec.LogFile = filepath.Join(c.dir, spec.Name+".log")
	child, err := process.Start(spec)
	if err != nil {
		return nil, err
	}
	s.process, s.killed, s.away, s.hold = child, false, 0, nil
	s.metrics, s.health = "http://127.0.0.1:"+strconv.Itoa(ports[0]), "http://127.0.0.1:"+strconv.Itoa(ports[1])
	return child, nil
}

// kill ends the controllers that are chosen as kill -9 does; they come back after the time and, with hold, not before it is closed. It says how many died.
func (c *controllers) kill(away time.Duration, hold chan struct{}, choose func(*slot) bool) int {
	var dead []*process.Process
	c.mu.Lock()
	for _, s := range c.slots {
		if s.process == nil || !choose(s) {
			continue
		}
		s.away, s.hold, s.killed = away, hold, true
		dead = append(dead, s.process)
	}
	c.mu.Unlock()
	n := 0
	for _, p := range dead {
		if p.Kill() == nil {
			n++
		}
	}
	return n
}

func everyone(*slot) bool { return true }

// killWorking kills the leader, or everyone while nobody leads.
func (c *controllers) killWorking(away time.Duration) int {
	leader := c.leader()
	return c.kill(away, nil, func(s *slot) bool { return leader == nil || s == leader })
}

// leader is the controller that works; nil while there is none, or it can not be told.
func (c *controllers) leader() *slot {
	c.mu.Lock()
	slots := make([]slot, 0, len(c.slots))
	for _, s := range c.slots {
		slots = append(slots, *s)
	}
	c.mu.Unlock()
	for i, s := range slots {
		if s.process == nil {
			continue
		}
		if len(slots) == 1 || c.leads(s.metrics) {
			return c.slots[i]
		}
	}
	return nil
}

func (c *controllers) leads(metrics string) bool {
	leads := false
	_ = c.lines(metrics+"/metrics", func(line string) bool {
		if strings.HasPrefix(line, "leader_election_master_status{") {
			leads = strings.HasSuffix(line, " 1")
			return false
		}
		return true
	})
	return leads
}

// goroutines counts those of the controller that works.
func (c *controllers) goroutines() (int, error) {
	s := c.leader()
	if s == nil {
		return 0, fmt.Errorf("no controller leads")
	}
	c.mu.Lock()
	metrics := s.metrics
	c.mu.Unlock()
	total := -1
	err := c.lines(metrics+"/debug/pprof/goroutine?debug=1", func(line string) bool {
		_, _ = fmt.Sscanf(line, "goroutine profile: total %d", &total)
		return false
	})
	if err == nil && total < 0 {
		err = fmt.Errorf("no goroutine profile at %s", metrics)
	}
	return total, err
}

// lines reads an answer line by line until tell wants no more.
func (c *controllers) lines(url string, tell func(string) bool) error {
	resp, err := c.client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	scanner := bufio.NewScanner(resp.Body)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() && tell(scanner.Text()) {
	}
	return scanner.Err()
}

// missing says which controller is not ready, or that none leads.
func (c *controllers) missing() string {
	c.mu.Lock()
	var urls []string
	for _, s := range c.slots {
		if s.process == nil {
			c.mu.Unlock()
			return fmt.Sprintf("controller %d is away", s.number)
		}
		urls = append(urls, s.health+"/readyz")
	}
	c.mu.Unlock()
	for _, url := range urls {
		resp, err := c.client.Get(url)
		if err != nil {
			return err.Error()
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1000))
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return url + " answered " + resp.Status
		}
	}
	if c.leader() == nil {
		return "no controller leads"
	}
	return ""
}

// endedByThemselves counts the ends that nobody caused by a kill.
func (c *controllers) endedByThemselves() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.slots {
		n += s.ended
	}
	return n
}

// confessions are the lines of all logs, and the files of the race detector, that no healthy program writes.
func (c *controllers) confessions() (panics, races []string, err error) {
	logs, err := filepath.Glob(filepath.Join(c.dir, "controller-*.log"))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range logs {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, err
		}
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 4<<20)
		for scanner.Scan() {
			if line := scanner.Text(); strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "Observed a panic") {
				panics = append(panics, filepath.Base(name)+": "+line)
			}
		}
		_ = f.Close()
	}
	races, err = filepath.Glob(filepath.Join(c.dir, "race.*"))
	return panics, races, err
}

// sleep lets time pass unless ctx ends before.
func sleep(ctx context.Context, clk clock.Clock, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := clk.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}
