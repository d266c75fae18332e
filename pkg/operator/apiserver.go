package operator

import (
	"fmt"
	"time"

	"k8s.io/client-go/discovery"
	controllerruntime "sigs.k8s.io/controller-runtime"
)

// apiServerTimeout bounds the one request of CheckAPIServer.
const apiServerTimeout = 15 * time.Second

// CheckAPIServer asks the API server for its version, so that a wrong or missing kubeconfig is said in one sentence.
func CheckAPIServer() error {
	config, err := controllerruntime.GetConfig()
	if err != nil {
		return fmt.Errorf("no Kubernetes configuration is found; set KUBECONFIG or run in a cluster: %w", err)
	}
	config.Timeout = apiServerTimeout
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("the Kubernetes configuration can not be used; check KUBECONFIG: %w", err)
	}
	if _, err := client.ServerVersion(); err != nil {
		return fmt.Errorf("the Kubernetes API server %s does not answer; check KUBECONFIG and the network: %w", config.Host, err)
	}
	return nil
}
