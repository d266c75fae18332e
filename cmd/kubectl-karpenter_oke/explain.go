package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samber/lo"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

type explainOptions struct {
	connection
	namespace string
	output    string
	clock     clock.PassiveClock
}

const explainHelp = `Explain says why a pod goes where it goes: the rule that sends it to virtual nodes or to Karpenter, which virtual nodes
match it and why others do not, what of it virtual nodes refuse, which NodePools and instance types could take it, and
what to change when nothing does.

The pod is read with your own rights and is judged as if it had no node yet, by the settings and the knowledge of the
running controller: its rules, its prices, its marks for capacity that OCI did not have. Values of environment
variables, commands and arguments are not sent.

` + connectHelp + `

Exit code: 0, or 1 when the pod or the controller can not be asked.`

const explainExamples = `  # Why is this pod pending?
  kubectl karpenter_oke explain pod web-6d4cf56db6-x7k2p -n shop

  # For a program
  kubectl karpenter_oke explain pod web-6d4cf56db6-x7k2p -n shop -o json`

var explainFormats = []string{"text", "json", "yaml"}

func newExplain() *cobra.Command {
	o := &explainOptions{clock: clock.RealClock{}}
	cmd := &cobra.Command{
		Use:     "explain pod NAME",
		Short:   "Say why a pod goes where it goes, and what could take it",
		Long:    explainHelp,
		Example: explainExamples,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := podName(args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), name, cmd.OutOrStdout())
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "", "namespace of the pod; default the kubeconfig's")
	outputFlag(cmd, &o.output, explainFormats...)
	return cmd
}

// podName takes "pod NAME", "pod/NAME" and "NAME".
func podName(args []string) (string, error) {
	kind, name, slash := strings.Cut(args[0], "/")
	switch {
	case len(args) > 1:
		kind, name, slash = args[0], args[1], true
	case !slash:
		kind, name = "pod", args[0]
	}
	if !slices.Contains([]string{"pod", "pods", "po"}, kind) || name == "" || (len(args) == 1 && !slash && slices.Contains([]string{"pod", "pods", "po"}, name)) {
		return "", fmt.Errorf("%q: want pod NAME", strings.Join(args, " "))
	}
	return name, nil
}

// explained is the answer with what the cluster itself says of the pod.
type explained struct {
	Pod podState `json:"pod"`
	inspect.Explanation
	// Events are the newest of kube-scheduler and Karpenter, oldest first.
	Events []podEvent `json:"events"`
}

type podState struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Phase     string `json:"phase"`
	Node      string `json:"node,omitempty"`
	// NodePool is empty without a node of Karpenter's, or without the right to read nodes.
	NodePool string `json:"nodePool,omitempty"`
	// UnschedulableSince is set for a pod that kube-scheduler has given up on for now.
	UnschedulableSince *time.Time `json:"unschedulableSince,omitempty"`
}

type podEvent struct {
	Time    time.Time `json:"time"`
	From    string    `json:"from"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
}

func (o *explainOptions) run(ctx context.Context, name string, out io.Writer) error {
	if err := checkOutput(o.output, explainFormats...); err != nil {
		return err
	}
	namespace := o.namespace
	if namespace == "" {
		var err error
		if namespace, _, err = o.loader().Namespace(); err != nil {
			return fmt.Errorf("no cluster to talk to; set KUBECONFIG or --kubeconfig: %w", err)
		}
	}
	_, client, err := o.cluster()
	if err != nil {
		return err
	}
	pod, err := readPod(ctx, client, namespace, name)
	if err != nil {
		return err
	}
	body, err := json.Marshal(stripped(pod))
	if err != nil {
		return fmt.Errorf("writing the pod: %w", err)
	}
	answer, err := o.ask(ctx, http.MethodPost, inspect.ExplainPath, nil, body)
	if err != nil {
		return err
	}
	e := explained{Pod: stateOf(ctx, client, pod), Events: eventsOf(ctx, client, pod)}
	if err := json.Unmarshal(answer, &e.Explanation); err != nil {
		return fmt.Errorf("reading the controller's answer: %w", err)
	}
	if o.output != "text" {
		return writeObject(out, o.output, e)
	}
	writeExplanation(out, &e, o.clock.Now())
	return nil
}

// readPod reads the pod; one that is not there is answered with those of the same beginning.
func readPod(ctx context.Context, client kubernetes.Interface, namespace, name string) (*corev1.Pod, error) {
	pod, err := client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil:
		return pod, nil
	case !apierrors.IsNotFound(err):
		return nil, refused(err, "read pod "+namespace+"/"+name)
	}
	missing := fmt.Errorf("there is no pod %q in namespace %s", name, namespace)
	all, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 500})
	if err != nil {
		return nil, missing
	}
	var near []string
	for k := range all.Items {
		if strings.HasPrefix(all.Items[k].Name, name) || strings.HasPrefix(name, strings.TrimRight(all.Items[k].GenerateName, "-")) && all.Items[k].GenerateName != "" {
			near = append(near, all.Items[k].Name)
		}
	}
	if len(near) == 0 {
		return nil, missing
	}
	return nil, fmt.Errorf("%w; there are: %s", missing, strings.Join(near[:min(len(near), inspect.MaxNames)], ", "))
}

// stripped is the pod without what the decision does not need and others should not see.
func stripped(pod *corev1.Pod) *corev1.Pod {
	p := pod.DeepCopy()
	p.ManagedFields = nil
	delete(p.Annotations, corev1.LastAppliedConfigAnnotation)
	for _, containers := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for k := range containers {
			containers[k].Command, containers[k].Args = nil, nil
			for e := range containers[k].Env {
				containers[k].Env[e].Value = ""
			}
		}
	}
	return p
}

// stateOf is what the cluster says of the pod. The node is left out where it can not be read.
func stateOf(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) podState {
	s := podState{Namespace: pod.Namespace, Name: pod.Name, Phase: string(pod.Status.Phase), Node: pod.Spec.NodeName}
	if s.Node != "" {
		if node, err := client.CoreV1().Nodes().Get(ctx, s.Node, metav1.GetOptions{}); err == nil {
			s.NodePool = node.Labels["karpenter.sh/nodepool"]
		}
		return s
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			s.UnschedulableSince = lo.ToPtr(c.LastTransitionTime.UTC())
		}
	}
	return s
}

// eventSources are those whose events tell of placement.
var eventSources = []string{"default-scheduler", "karpenter"}

// eventsOf are the newest events about the pod's placement; none where they can not be read.
func eventsOf(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) []podEvent {
	list, err := client.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.SelectorFromSet(fields.Set{"involvedObject.kind": "Pod", "involvedObject.name": pod.Name, "involvedObject.uid": string(pod.UID)}).String(),
	})
	out := []podEvent{}
	if err != nil {
		return out
	}
	for k := range list.Items {
		e := &list.Items[k]
		from := lo.CoalesceOrEmpty(e.Source.Component, e.ReportingController)
		if !slices.Contains(eventSources, from) {
			continue
		}
		at := lo.Ternary(e.LastTimestamp.IsZero(), e.EventTime.Time, e.LastTimestamp.Time)
		if e.Series != nil && e.Series.LastObservedTime.After(at) {
			at = e.Series.LastObservedTime.Time
		}
		out = append(out, podEvent{Time: at.UTC(), From: from, Reason: e.Reason, Message: e.Message})
	}
	slices.SortStableFunc(out, func(a, b podEvent) int { return a.Time.Compare(b.Time) })
	return out[max(len(out)-inspect.MaxNames, 0):]
}
