package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// leaseName is core's default of --leader-election-name; metricsPort that of --metrics-port.
	leaseName   = "karpenter-leader-election"
	metricsPort = 8080
	// appLabel finds the controller's Pod where leader election is off.
	appLabel = "app.kubernetes.io/name=karpenter-oke"
	// metricsPortName is the name of the container's port that serves metrics, as Karpenter's charts have it.
	metricsPortName = "http-metrics"
	// askWithin bounds one question, finding the controller included.
	askWithin = 40 * time.Second
)

// connection says how to reach a cluster and the controller in it.
type connection struct {
	kubeconfig, context                 string
	controllerURL, controllerNamespace  string
	controllerLease, controllerSelector string
}

func (c *connection) flags(f *pflag.FlagSet) {
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig file; default $KUBECONFIG or ~/.kube/config")
	f.StringVar(&c.context, "context", "", "context of the kubeconfig; default the current one")
	f.StringVar(&c.controllerURL, "controller-url", "", "where the controller serves its metrics, such as http://127.0.0.1:8080; for a controller that is no Pod of the cluster")
	f.StringVar(&c.controllerNamespace, "controller-namespace", "", "namespace of the controller; default all are searched")
	f.StringVar(&c.controllerLease, "controller-lease", leaseName, "Lease that the controller's leader holds")
	f.StringVar(&c.controllerSelector, "controller-selector", appLabel, "labels of the controller's Pods, for one that holds no Lease")
}

// loader reads the kubeconfig.
func (c *connection) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.context})
}

// cluster makes a client with the caller's own rights.
func (c *connection) cluster() (*rest.Config, kubernetes.Interface, error) {
	config, err := c.loader().ClientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("no cluster to talk to; set KUBECONFIG or --kubeconfig: %w", err)
	}
	config.Timeout = askWithin
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("the kubeconfig can not be used: %w", err)
	}
	return config, client, nil
}

// ask sends one question to the controller and returns the answer's body.
func (c *connection) ask(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	if c.controllerURL != "" {
		base, err := url.Parse(c.controllerURL)
		if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
			return nil, fmt.Errorf("--controller-url %q: want http://HOST:PORT", c.controllerURL)
		}
		answer, err := request(ctx, http.DefaultClient, (&url.URL{Scheme: base.Scheme, Host: base.Host}).String(), method, path, query, body)
		if isUnreachable(err) {
			return nil, fmt.Errorf("no controller answers at %s; is it running, and is this where it serves its metrics? %w", c.controllerURL, err)
		}
		return answer, err
	}
	config, client, err := c.cluster()
	if err != nil {
		return nil, err
	}
	pod, err := c.leader(ctx, client)
	if err != nil {
		return nil, err
	}
	tunnel, err := openTunnel(ctx, config, client, pod, portOf(pod))
	if err != nil {
		return nil, err
	}
	defer tunnel.close()
	answer, err := request(ctx, http.DefaultClient, tunnel.url, method, path, query, body)
	if isUnreachable(err) {
		return nil, fmt.Errorf("the controller's Pod %s/%s does not answer on port %d: %w", pod.Namespace, pod.Name, portOf(pod), errors.Join(err, tunnel.err()))
	}
	return answer, err
}

// leader finds the Pod of the controller that holds the Lease, or the only Pod that bears the controller's labels.
func (c *connection) leader(ctx context.Context, client kubernetes.Interface) (*corev1.Pod, error) {
	leases, err := client.CoordinationV1().Leases(c.controllerNamespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, c.controllerLease).String(),
	})
	if err != nil {
		return nil, refused(err, "list Leases to find the controller (or name its namespace with --controller-namespace)")
	}
	for k := range leases.Items {
		lease := &leases.Items[k]
		name, held := holder(lease)
		if !held {
			continue
		}
		pod, err := client.CoreV1().Pods(lease.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			return pod, nil
		case !apierrors.IsNotFound(err):
			return nil, refused(err, "read Pod "+lease.Namespace+"/"+name)
		}
		return nil, fmt.Errorf("the Lease %s/%s is held by %q, which is no Pod there: the controller has just gone, or runs outside the cluster (then give --controller-url)",
			lease.Namespace, lease.Name, name)
	}
	pods, err := client.CoreV1().Pods(c.controllerNamespace).List(ctx, metav1.ListOptions{LabelSelector: c.controllerSelector})
	if err != nil {
		return nil, refused(err, "list Pods to find the controller")
	}
	var found []*corev1.Pod
	for k := range pods.Items {
		if p := &pods.Items[k]; p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("no controller found: nobody holds a Lease %s, and no running Pod has %s; is karpenter-oke installed? For one outside the cluster give --controller-url",
			c.controllerLease, c.controllerSelector)
	}
	return nil, fmt.Errorf("%d Pods have %s and none holds a Lease %s; say which with --controller-namespace or --controller-selector",
		len(found), c.controllerSelector, c.controllerLease)
}

// holder is the name of the Pod that holds the Lease: a holder's identity is its host name and a random part.
func holder(lease *coordinationv1.Lease) (string, bool) {
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		return "", false
	}
	name := *lease.Spec.HolderIdentity
	if cut := strings.LastIndexByte(name, '_'); cut > 0 {
		name = name[:cut]
	}
	return name, true
}

// portOf is where the Pod serves its metrics.
func portOf(pod *corev1.Pod) int32 {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == metricsPortName {
				return port.ContainerPort
			}
		}
	}
	return metricsPort
}

// refused says what right is missing when that is the trouble.
func refused(err error, what string) error {
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you have no right to %s: %w", what, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the cluster does not know you; log in again: %w", err)
	}
	return fmt.Errorf("trying to %s: %w", what, err)
}

// outputFlag adds -o with the formats that a command has; the first is the default.
func outputFlag(cmd *cobra.Command, p *string, formats ...string) {
	cmd.Flags().StringVarP(p, "output", "o", formats[0], "one of: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func checkOutput(output string, formats ...string) error {
	for _, f := range formats {
		if output == f {
			return nil
		}
	}
	return fmt.Errorf("--output %q: want one of %s", output, strings.Join(formats, ", "))
}
