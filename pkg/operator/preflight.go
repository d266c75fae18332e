package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	controllerruntime "sigs.k8s.io/controller-runtime"
	coreoperator "sigs.k8s.io/karpenter/pkg/operator"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/pkg/operator/options"
	"github.com/karpenter-oke/karpenter-oke/pkg/operator/preflight"
)

// The API server publishes the schema of a definition a moment after it was installed or upgraded.
const (
	schemaLag   = 20 * time.Second
	schemaRetry = 2 * time.Second
)

// checkCluster finds what makes the cluster unfit for this controller.
func checkCluster(ctx context.Context, core *coreoperator.Operator, opts *options.Options) error {
	sole := &preflight.Sole{
		Leases:   core.KubernetesInterface.CoordinationV1().Leases(preflight.SoleNamespace),
		Identity: installation(coreoptions.FromContext(ctx), opts.SystemNamespace), Clock: core.Clock,
	}
	if err := errors.Join(checkDefinitions(ctx, core), sole.Check(ctx)); err != nil {
		return err
	}
	if err := core.Add(sole); err != nil {
		return fmt.Errorf("adding the Lease that keeps a second installation away: %w", err)
	}
	return nil
}

func checkDefinitions(ctx context.Context, core *coreoperator.Operator) error {
	schemas := core.KubernetesInterface.Discovery().OpenAPIV3()
	for begin := core.Clock.Now(); ; {
		err := preflight.Definitions(schemas)
		if err == nil || core.Clock.Since(begin) > schemaLag {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-core.Clock.After(schemaRetry):
		}
	}
}

// installation is the same for all replicas that elect a leader among them. Without an election each pod is for itself.
func installation(core *coreoptions.Options, namespace string) string {
	if !core.DisableLeaderElection {
		if core.LeaderElectionNamespace != "" {
			namespace = core.LeaderElectionNamespace
		}
		return namespace + "/" + core.LeaderElectionName
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return namespace + "/" + host
}

// ownPod is the pod that this process runs in; nil outside a cluster.
func ownPod() *corev1.Pod {
	namespace := options.ServiceAccountNamespace()
	if namespace == "" {
		namespace = os.Getenv("SYSTEM_NAMESPACE")
	}
	return preflight.Pod(namespace)
}

// TellPod writes an event of the pod that this process runs in, if it runs in one. What goes wrong with that is nobody's business any more.
func TellPod(ctx context.Context, sentence string) {
	pod := ownPod()
	if pod == nil {
		return
	}
	config, err := controllerruntime.GetConfig()
	if err != nil {
		return
	}
	if client, err := kubernetes.NewForConfig(config); err == nil {
		_ = preflight.CannotStart(ctx, client.CoreV1(), pod, sentence)
	}
}
