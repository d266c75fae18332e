// Command controller is karpenter-oke: Karpenter for Oracle Kubernetes Engine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/samber/lo"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/metrics"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	corecontrollers "sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/node/health"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	coreoperator "sigs.k8s.io/karpenter/pkg/operator"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/catchup"
	"github.com/karpenter-oke/karpenter-oke/pkg/memory"
	"github.com/karpenter-oke/karpenter-oke/pkg/operator"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

func main() {
	pace := memory.Spare()
	// Core panics on what it can not start with, such as a missing option or an API server that is away: one line says it.
	defer func() {
		if r := recover(); r != nil {
			fail(fmt.Errorf("%v", r))
		}
	}()
	if slices.Contains(os.Args[1:], "--version") {
		fmt.Println("karpenter-oke", coreoperator.Version, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
		return
	}
	// Core parses the same options again and connects right after, so what it would panic on is found first.
	injection.WithOptionsOrDie(context.Background(), coreoptions.Injectables...)
	if err := operator.CheckAPIServer(); err != nil {
		fail(err)
	}
	ctx, core := coreoperator.NewOperator()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	op, err := operator.New(ctx, core)
	if err == nil {
		err = run(ctx, op, pace)
	}
	stop()
	if err != nil {
		fail(err)
	}
}

func run(ctx context.Context, op *operator.Operator, pace *memory.Pace) error {
	undecorated := metrics.Decorate(op.CloudProvider)
	cloudProvider := overlay.Decorate(undecorated, op.GetClient(), op.InstanceTypeStore)
	matcher := lo.Must(health.NewRepairPolicyMatcher(ctx, cloudProvider))
	clusterState := state.NewCluster(op.Clock, op.GetClient(), cloudProvider, state.WithRepairPolicyMatcher(matcher))

	// Core sees pods and nodes through the filter; everything else reads the API as it is.
	filtered := virtualnode.NewClient(op.GetClient(), op.Filter)
	controllers := corecontrollers.NewControllers(ctx, op.Manager, op.Clock, filtered, op.EventRecorder, cloudProvider,
		undecorated, clusterState, op.InstanceTypeStore, op.PredictionStore)
	controllers = lo.Must(virtualnode.WrapControllers(controllers, op.Filter, op.EventRecorder, op.GetClient()))
	if !coreoptions.FromContext(ctx).DisableClusterStateObservability {
		controllers = lo.Must(virtualnode.WrapNodeMetrics(controllers, op.Filter, clusterState))
	}
	lo.Must0(memory.ReplaceGauges(crmetrics.Registry, controllers))

	if err := op.ServeInspection(ctx, cloudProvider); err != nil {
		return err
	}
	if err := op.CheckHealth(); err != nil {
		return err
	}
	if err := op.Add(manager.RunnableFunc(pace.Lead)); err != nil {
		return err
	}
	first, later := catchup.Split(controllers)
	op.WithControllers(ctx, first...).WithControllers(ctx, lo.Must(catchup.NewController(controllers, clusterState, op.GetClient())))
	op.WithControllers(ctx, op.Controllers(clusterState)...)
	later = append(later, op.LaterControllers(ctx, cloudProvider)...)
	if err := op.Add(catchup.NewLater(op.Manager, clusterState.Synced, later)); err != nil {
		return err
	}
	// Core's Start panics beyond the reach of main, for example when a port is in use, and does not end on a signal.
	return op.Manager.Start(ctx)
}

// fail ends the process with one sentence, which also becomes an event of its pod.
func fail(err error) {
	sentence := strings.ReplaceAll(err.Error(), "\n", "; ")
	fmt.Fprintln(os.Stderr, "karpenter-oke: "+sentence)
	operator.TellPod(context.Background(), sentence)
	os.Exit(1)
}
