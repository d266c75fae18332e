package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/simsource"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// The ServiceAccount whose rights the controller has when its RBAC manifests are applied.
const (
	controllerNamespace = "karpenter"
	controllerAccount   = "karpenter-oke"
)

// portAttempts is how often the controller is started again after another process took one of its ports.
const portAttempts = 5

// startController starts the controller and waits until it is ready. Ports that somebody else takes meanwhile are replaced, unless
// the controller's arguments name them.
func (e *Environment) startController(ctx context.Context) error {
	kubeconfig, err := e.controllerKubeconfig(ctx)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := e.tryController(ctx, kubeconfig)
		var exit *process.ExitError
		if err == nil || !errors.As(err, &exit) || !exit.PortTaken() {
			return err
		}
		if attempt == portAttempts || slices.ContainsFunc(e.o.ControllerArgs, func(arg string) bool { return strings.Contains(arg, "-port") }) {
			return fmt.Errorf("a port of the controller is in use: choose others for --metrics-port and --health-probe-port, or leave them out (its log is %s)", e.ControllerLog())
		}
		e.o.Say("another process took a port of the controller, trying others")
	}
}

// tryController starts the controller once; when it does not get ready, it is ended.
func (e *Environment) tryController(ctx context.Context, kubeconfig string) error {
	ports, err := cluster.FreePorts(2)
	if err != nil {
		return err
	}
	metrics, health := flagOr(e.o.ControllerArgs, "metrics-port", ports[0]), flagOr(e.o.ControllerArgs, "health-probe-port", ports[1])
	spec := e.controllerSpec(kubeconfig, metrics, health, e.o.ControllerArgs...)
	spec.LogFile = e.ControllerLog()
	child, err := process.Start(spec)
	if err != nil {
		return err
	}
	err = e.poll(ctx, "the controller to be ready", child.Exited, func(ctx context.Context) (bool, string) {
		return httpOK(ctx, "http://127.0.0.1:"+health+"/readyz")
	})
	if err != nil {
		return errors.Join(err, child.Stop(context.WithoutCancel(ctx)))
	}
	e.mu.Lock()
	e.controller, e.metricsURL = child, "http://127.0.0.1:"+metrics+"/metrics"
	e.mu.Unlock()
	return nil
}

// ControllerSpec is how another controller of this cluster is started, for callers that keep controllers of their own: with the
// ports it is to use and further arguments, which win. Its log file is left to the caller.
func (e *Environment) ControllerSpec(ctx context.Context, metricsPort, healthPort int, args ...string) (process.Spec, error) {
	kubeconfig, err := e.controllerKubeconfig(ctx)
	if err != nil {
		return process.Spec{}, err
	}
	return e.controllerSpec(kubeconfig, strconv.Itoa(metricsPort), strconv.Itoa(healthPort), args...), nil
}

func (e *Environment) controllerSpec(kubeconfig, metricsPort, healthPort string, args ...string) process.Spec {
	w := e.sim.World()
	if e.o.InterruptionStream {
		args = append([]string{"--interruption-stream-id", w.StreamID}, args...)
	}
	return process.Spec{
		Name: ControllerBinary, Path: e.o.controllerPath(),
		Args: append([]string{
			"--cluster-id", w.ClusterID, "--compartment-id", w.CompartmentID, "--cluster-endpoint", simsource.Endpoint(w),
			"--oci-auth", "api-key", "--oci-config-file", e.ociConfig, "--oci-endpoint", e.sim.URL,
			"--price-list-url", e.sim.URL + ocisim.PriceListPath,
			"--metrics-port", metricsPort, "--health-probe-port", healthPort, "--disable-leader-election",
		}, args...),
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + e.o.Dir, "KUBECONFIG=" + kubeconfig, "SYSTEM_NAMESPACE=" + controllerNamespace},
	}
}

// KillController ends the controller as kill -9 does. RestartController starts it again.
func (e *Environment) KillController() error {
	e.mu.Lock()
	controller := e.controller
	e.controller, e.metricsURL = nil, ""
	e.mu.Unlock()
	if controller == nil {
		return errors.New("no controller runs")
	}
	return controller.Kill()
}

// RestartController starts the controller again after KillController, and returns when it is ready.
func (e *Environment) RestartController(ctx context.Context) error { return e.startController(ctx) }

// flagOr returns the value that arguments give a flag, the last one if there are several, else a port.
func flagOr(args []string, name string, port int) string {
	value := strconv.Itoa(port)
	for i, arg := range args {
		flag, given, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case flag != name || !strings.HasPrefix(arg, "-"):
		case joined:
			value = given
		case i+1 < len(args):
			value = args[i+1]
		}
	}
	return value
}

// controllerKubeconfig is a kubeconfig of the controller's ServiceAccount with the rights of the RBAC manifests, else the admin's.
func (e *Environment) controllerKubeconfig(ctx context.Context) (string, error) {
	if len(e.o.ControllerRBAC) == 0 {
		return e.plane.Kubeconfig(), nil
	}
	if err := e.plane.ApplyFile(ctx, e.o.ControllerRBAC...); err != nil {
		return "", fmt.Errorf("applying the controller's rights: %w", err)
	}
	path, err := e.plane.KubeconfigFor("karpenter-oke", fmt.Sprintf("system:serviceaccount:%s:%s", controllerNamespace, controllerAccount),
		"system:serviceaccounts", "system:serviceaccounts:"+controllerNamespace, "system:authenticated")
	if err != nil {
		return "", fmt.Errorf("making the controller's kubeconfig: %w", err)
	}
	return path, nil
}

// ControllerLog is the path of the controller's log.
func (e *Environment) ControllerLog() string { return filepath.Join(e.o.Dir, "controller.log") }

// MetricsURL is where the controller serves its metrics; empty without a controller.
func (e *Environment) MetricsURL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.metricsURL
}

// httpOK asks a health endpoint.
func httpOK(ctx context.Context, url string) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 500))
	if err != nil {
		return false, err.Error()
	}
	return resp.StatusCode == http.StatusOK, fmt.Sprintf("%s answered %d %s", url, resp.StatusCode, body)
}
