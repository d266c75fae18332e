package environment

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/samber/lo"
	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/karpenter/pkg/apis"

	_ "github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1" // puts our kinds into the scheme
	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/simsource"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

//go:embed manifests/system.yaml
var systemManifests string

// Environment is a running cluster. Make one with Start, end it with Stop.
type Environment struct {
	o         Options
	sim       *ocisim.Server
	plane     *cluster.Plane
	fleet     *kubelets.Fleet
	virtual   *virtualLayer
	cloud     *cloud
	oci       *ociClients
	client    client.Client
	recorder  *record.Recorder
	ociConfig string
	timings   map[string]float64

	cancel context.CancelFunc
	work   *errgroup.Group // what runs in this process
	ended  chan struct{}   // closed when work has ended

	mu         sync.Mutex
	controller *process.Process
	metricsURL string
	workErr    error
	stopOnce   sync.Once
	stopErr    error
}

// Start brings the cluster up and returns when its nodes and the controller are ready. On an error, or when ctx ends before,
// nothing is left running. The environment outlives ctx: call Stop. Errors name what is missing and the command that mends it.
func Start(ctx context.Context, o Options) (*Environment, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Environment{o: o, timings: map[string]float64{}, ended: make(chan struct{})}
	startCtx, cancel := context.WithTimeoutCause(ctx, o.StartTimeout, fmt.Errorf("the cluster was not ready within %s; its logs are in %s", o.StartTimeout, o.Dir))
	defer cancel()
	if err := e.start(startCtx); err != nil {
		_ = e.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context) error {
	begin := e.o.Clock.Now()
	if err := e.cleanDir(); err != nil {
		return err
	}
	if err := e.startCloud(ctx); err != nil {
		return err
	}
	e.o.Say("starting the control plane")
	plane, err := cluster.Start(ctx, cluster.Options{BinDir: e.o.BinDir, WorkDir: e.planeDir(), KeepWorkDir: true, AuditLog: e.o.AuditLog})
	if err != nil {
		return err
	}
	e.plane = plane
	e.clocked("control plane ready", begin)
	if e.client, err = client.New(plane.RESTConfig(), client.Options{Scheme: scheme.Scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := e.install(ctx); err != nil {
		return err
	}
	if err := e.startWork(); err != nil {
		return err
	}
	e.o.Say(fmt.Sprintf("launching %d system nodes and %d fixed nodes, registering %d virtual nodes", *e.o.SystemNodes, *e.o.FixedNodes, *e.o.VirtualNodes))
	if err := e.launchFixed(ctx); err != nil {
		return err
	}
	// The controller meets a cluster whose nodes are still coming, as after a restart of a whole region.
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer e.clocked("first nodes ready", begin)
		return e.awaitNodes(groupCtx)
	})
	if e.o.Controller {
		e.o.Say("starting the controller")
		group.Go(func() error {
			defer e.clocked("controller ready", begin)
			return e.startController(groupCtx)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	e.o.Say(fmt.Sprintf("the cluster is ready after %.1f s", e.o.Clock.Since(begin).Seconds()))
	return nil
}

// cleanDir removes what an earlier cluster of this name left behind, as after kill -9.
func (e *Environment) cleanDir() error {
	for _, name := range []string{"cluster", "oci", "controller.log"} {
		if err := os.RemoveAll(filepath.Join(e.o.Dir, name)); err != nil {
			return fmt.Errorf("emptying %s: %w", e.o.Dir, err)
		}
	}
	if err := os.MkdirAll(e.o.Dir, 0o755); err != nil {
		return fmt.Errorf("making the folder %s: %w", e.o.Dir, err)
	}
	return nil
}

func (e *Environment) planeDir() string { return filepath.Join(e.o.Dir, "cluster") }

// startCloud starts the simulator and makes clients and credentials for it. It runs until Stop, whatever ctx does.
func (e *Environment) startCloud(ctx context.Context) error {
	e.o.Say("starting the OCI simulator")
	sim, err := ocisim.Start(context.WithoutCancel(ctx), e.o.OCISim, e.o.OCISimListen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("address %s is in use: choose another for the OCI simulator with --listen, or leave it out to get a free port", e.o.OCISimListen)
	}
	if err != nil {
		return fmt.Errorf("starting the OCI simulator: %w", err)
	}
	e.sim = sim
	if e.ociConfig, err = sim.WriteConfig(filepath.Join(e.o.Dir, "oci")); err != nil {
		return fmt.Errorf("writing the OCI configuration: %w", err)
	}
	if e.oci, err = newOCIClients(sim); err != nil {
		return err
	}
	list, err := newPrices(func() billed { return e.virtual.billed() })
	if err != nil {
		return err
	}
	e.cloud = newCloud(sim.Simulator, list)
	return nil
}

// install applies the custom resources, ours and core's, and the cluster's own services.
func (e *Environment) install(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(e.o.RepoDir, "pkg", "apis", "crds", Group+"_*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no definitions in %s: run this inside the repository", filepath.Join(e.o.RepoDir, "pkg", "apis", "crds"))
	}
	// Copies, because installing writes into the definitions, and those of core are there once in a process.
	core := lo.Map(apis.CRDs, func(d *apiextensionsv1.CustomResourceDefinition, _ int) *apiextensionsv1.CustomResourceDefinition {
		return d.DeepCopy()
	})
	if _, err := envtest.InstallCRDs(e.plane.RESTConfig(), envtest.CRDInstallOptions{CRDs: core, Paths: files}); err != nil {
		return fmt.Errorf("installing the custom resources: %w", err)
	}
	return e.plane.Apply(ctx, systemManifests, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", controllerNamespace))
}

// startWork starts what runs in this process: machines, virtual nodes, the recorder.
func (e *Environment) startWork() error {
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	fleet, err := kubelets.New(kubelets.Options{
		Plane: e.plane, Events: simsource.Events(ctx, e.sim.Simulator), Endpoint: simsource.Endpoint(e.sim.World()), KubeletMinor: e.sim.World().KubernetesVersion, Clock: e.o.Clock,
		Alter: e.o.AlterNode, BootDelay: e.o.BootDelay,
	})
	if err != nil {
		return err
	}
	e.fleet = fleet
	if e.virtual, err = newVirtualLayer(e.plane, e.sim.World(), *e.o.VirtualNodes, e.o.Clock); err != nil {
		return err
	}
	e.recorder = record.New(e.plane.RESTConfig(), e.cloud, e.o.Clock)
	e.noteVersions()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return fleet.Run(ctx) })
	group.Go(func() error { return e.virtual.run(ctx) })
	group.Go(func() error { return e.recorder.Run(ctx) })
	e.work = group
	go func() {
		err := group.Wait()
		e.mu.Lock()
		if !errors.Is(err, context.Canceled) {
			e.workErr = err
		}
		e.mu.Unlock()
		close(e.ended)
	}()
	return nil
}

// poll asks until the answer is yes, a part of the cluster dies (died says which), or ctx ends.
func (e *Environment) poll(ctx context.Context, what string, died func() error, ask func(context.Context) (ok bool, seen string)) error {
	for {
		ok, seen := ask(ctx)
		if ok {
			return nil
		}
		if err := died(); err != nil {
			return err
		}
		timer := e.o.Clock.NewTimer(100 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for %s: %w (last seen: %s)", what, context.Cause(ctx), seen)
		case <-timer.C():
		}
	}
}

func (e *Environment) clocked(step string, begin time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.timings[step] = e.o.Clock.Since(begin).Seconds()
}

// Err says which part of the cluster ended by itself; nil while all are well.
func (e *Environment) Err() error {
	e.mu.Lock()
	controller, workErr := e.controller, e.workErr
	e.mu.Unlock()
	if controller != nil {
		if err := controller.Exited(); err != nil {
			return err
		}
	}
	if workErr != nil {
		return workErr
	}
	if e.plane != nil {
		return e.plane.Err()
	}
	return nil
}

// Stop ends everything, the controller first, and removes the cluster's state; logs stay. It may be called more than once.
func (e *Environment) Stop(ctx context.Context) error {
	e.stopOnce.Do(func() { e.stopErr = e.stop(ctx) })
	return e.stopErr
}

func (e *Environment) stop(ctx context.Context) error {
	var errs []error
	e.mu.Lock()
	controller := e.controller
	e.mu.Unlock()
	if controller != nil {
		errs = append(errs, controller.Stop(ctx))
	}
	if e.cancel != nil {
		e.cancel()
	}
	if e.work != nil {
		<-e.ended
	}
	if e.plane != nil {
		errs = append(errs, e.plane.Stop(ctx))
	}
	if e.sim != nil {
		errs = append(errs, e.sim.Close())
	}
	errs = append(errs, RemoveState(e.o.Dir))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping the cluster %s: %w", e.o.Name, err)
	}
	return nil
}

// RemoveState removes what a cluster that has ended left in its folder, but not its logs. Stop does it by itself; it is for a cluster
// whose process was killed.
func RemoveState(dir string) error {
	for _, name := range []string{"cluster/etcd", "cluster/pki", "cluster/kubeconfigs", "cluster/kubeconfig", "cluster/audit-policy.yaml", "oci"} {
		if err := os.RemoveAll(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("removing the state of a cluster: %w", err)
		}
	}
	return nil
}
