package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	streaming "k8s.io/streaming/pkg/httpstream"
)

// tunnel forwards a port of this machine to a Pod, as kubectl port-forward does. Unlike the API server's proxy it goes through the
// kubelet, so that it also works where the API server does not reach the pods' network.
type tunnel struct {
	url  string
	stop chan struct{}
	done chan error
	errs *complaints
}

// complaints collects what the forwarder writes from its own goroutines.
type complaints struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (c *complaints) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *complaints) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimSpace(c.text.String())
}

// openTunnel connects to a port of the Pod. The error says which right is missing.
func openTunnel(ctx context.Context, config *rest.Config, client kubernetes.Interface, pod *corev1.Pod, port int32) (*tunnel, error) {
	target := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the controller's Pod: %w", err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	websocket, err := portforward.NewSPDYOverWebsocketDialer(target, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the controller's Pod: %w", err)
	}
	dialer = portforward.NewFallbackDialer(websocket, dialer, needsSPDY)
	t := &tunnel{stop: make(chan struct{}), done: make(chan error, 1), errs: &complaints{}}
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, t.stop, ready, nil, t.errs)
	if err != nil {
		return nil, fmt.Errorf("connecting to the controller's Pod: %w", err)
	}
	go func() { t.done <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-t.done:
		return nil, tunnelError(pod, err)
	case <-ctx.Done():
		close(t.stop)
		return nil, fmt.Errorf("connecting to the controller's Pod %s/%s: %w", pod.Namespace, pod.Name, context.Cause(ctx))
	}
	ports, err := forwarder.GetPorts()
	if err != nil || len(ports) != 1 {
		t.close()
		return nil, fmt.Errorf("connecting to the controller's Pod: %w", errors.Join(err, errors.New("no local port")))
	}
	t.url = fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local)
	return t, nil
}

// needsSPDY tells whether a web socket failed because of an API server or a proxy that does not let it pass.
func needsSPDY(err error) bool {
	return streaming.IsUpgradeFailure(err) || streaming.IsHTTPSProxyError(err)
}

// close ends the tunnel and waits until it has ended.
func (t *tunnel) close() {
	close(t.stop)
	if err := <-t.done; err != nil {
		_, _ = fmt.Fprintln(t.errs, err)
	}
}

// err is what the far end has complained of; nil when it has not.
func (t *tunnel) err() error {
	if text := t.errs.String(); text != "" {
		return errors.New(text)
	}
	return nil
}

func tunnelError(pod *corev1.Pod, err error) error {
	if apierrors.IsForbidden(err) || (err != nil && strings.Contains(err.Error(), "forbidden")) {
		return fmt.Errorf("you have no right to port-forward to the controller's Pod (create pods/portforward in namespace %s): %w", pod.Namespace, err)
	}
	return fmt.Errorf("connecting to the controller's Pod %s/%s: %w", pod.Namespace, pod.Name, err)
}
