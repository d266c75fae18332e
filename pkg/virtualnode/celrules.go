package virtualnode

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/yaml"
)

// Bounds of rules that come from settings. A rule is asked about every pod that tolerates virtual nodes in every scheduling loop.
const (
	maxRules          = 50
	maxExpressionSize = 2048
	// maxExpressionCost is in CEL's own units, about one for each operation: enough to look at every field of a large pod once.
	maxExpressionCost = 100_000
	// answersKept are the answers about pods that a rule remembers; pods change rarely.
	answersKept = 20_000
)

// sourceSettings is the Source of rules that come from settings.
const sourceSettings = "the controller's settings"

// ruleName keeps names fit for metrics, events and the setting that turns rules off.
var ruleName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// settingsRule is a rule as it is written in settings.
type settingsRule struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
	Message    string `json:"message"`
	Severity   string `json:"severity,omitempty"`
}

// ParseRules reads rules from settings: a YAML or JSON list of {name, expression, message, severity}. The expression is CEL over `pod`,
// the pod as kubectl prints it, and must be true for pods that use the feature; the message completes the sentence "the pod ...";
// the severity is hard (the default) or warning. Fields that a pod does not set are absent, as in `pod.?spec.?hostNetwork.orValue(false)`:
// an expression that fails on a pod with nothing but one container is refused here, since it would fail on real pods later.
// The error names every mistake.
func ParseRules(text string) ([]Rule, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var written []settingsRule
	if err := yaml.UnmarshalStrict([]byte(text), &written); err != nil {
		return nil, fmt.Errorf("want a list of {name, expression, message, severity}: %w", err)
	}
	if len(written) > maxRules {
		return nil, fmt.Errorf("%d rules, at most %d are possible", len(written), maxRules)
	}
	env, err := celEnvironment()
	if err != nil {
		return nil, err
	}
	var rules []Rule
	var errs []error
	for _, w := range written {
		r, err := w.compile(env)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %q: %w", w.Name, err))
			continue
		}
		rules = append(rules, r)
	}
	return rules, errors.Join(errs...)
}

func celEnvironment() (*cel.Env, error) {
	env, err := cel.NewEnv(cel.Variable("pod", cel.MapType(cel.StringType, cel.DynType)), cel.OptionalTypes(), ext.Strings(), ext.Sets())
	if err != nil {
		return nil, fmt.Errorf("preparing CEL: %w", err)
	}
	return env, nil
}

func (w settingsRule) compile(env *cel.Env) (Rule, error) {
	severity := Severity(w.Severity)
	switch {
	case !ruleName.MatchString(w.Name):
		return Rule{}, errors.New("want a name of up to 63 lower-case letters, digits and hyphens")
	case w.Message == "" || len(w.Message) > 200:
		return Rule{}, errors.New(`want a message of up to 200 characters that completes the sentence "the pod ..."`)
	case len(w.Expression) > maxExpressionSize:
		return Rule{}, fmt.Errorf("the expression is longer than %d characters", maxExpressionSize)
	case w.Severity == "":
		severity = Hard
	case severity != Hard && severity != Advisory:
		return Rule{}, fmt.Errorf("severity %q: want %s or %s", w.Severity, Hard, Advisory)
	}
	ast, issues := env.Compile(w.Expression)
	if err := issues.Err(); err != nil {
		return Rule{}, fmt.Errorf("the expression does not compile: %w", err)
	}
	if out := ast.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return Rule{}, fmt.Errorf("the expression gives a %s, want true or false", out)
	}
	program, err := env.Program(ast, cel.CostLimit(maxExpressionCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return Rule{}, fmt.Errorf("the expression can not be run: %w", err)
	}
	e := &expression{rule: w.Name, program: program, answers: lru.New(answersKept)}
	for _, p := range probePods() {
		if _, err := e.eval(p); err != nil {
			return Rule{}, fmt.Errorf("the expression fails on a pod that sets little: %w; guard fields with has() or write pod.?spec.?field.orValue(...)", err)
		}
	}
	return Rule{Name: w.Name, Severity: severity, Message: w.Message, Source: sourceSettings, Test: e.holds}, nil
}

// probePods are pods that set as little as the API server allows, without and with what most pods have.
func probePods() []*corev1.Pod {
	bare := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: "default"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/main"}}},
	}
	common := bare.DeepCopy()
	common.Labels, common.Annotations = map[string]string{"app": "probe"}, map[string]string{"note": "probe"}
	common.Spec.Volumes = []corev1.Volume{{Name: "empty", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	common.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "empty", MountPath: "/tmp"}}
	return []*corev1.Pod{bare, common}
}

// expression is a compiled rule from settings, with what it answered before.
type expression struct {
	rule    string
	program cel.Program
	answers *lru.Cache
}

// podState is one version of a pod, about which the answer can not change.
type podState struct {
	uid             types.UID
	resourceVersion string
}

// holds tells whether the expression is true for the pod. One that fails in spite of the probes, or costs too much, counts as false and
// is counted: the pod then goes where it would go without the rule.
func (e *expression) holds(p *corev1.Pod) bool {
	key := podState{uid: p.UID, resourceVersion: p.ResourceVersion}
	if known, ok := e.answers.Get(key); ok && key.resourceVersion != "" {
		answer, ok := known.(bool)
		return ok && answer
	}
	answer, err := e.eval(p)
	if err != nil {
		ruleErrorsCounter.Inc(map[string]string{labelRule: e.rule})
	}
	if key.resourceVersion != "" {
		e.answers.Add(key, answer)
	}
	return answer
}

func (e *expression) eval(p *corev1.Pod) (bool, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(p)
	if err != nil {
		return false, fmt.Errorf("reading the pod: %w", err)
	}
	out, _, err := e.program.Eval(map[string]any{"pod": content})
	if err != nil {
		return false, err
	}
	answer, err := out.ConvertToNative(reflect.TypeFor[bool]())
	if err != nil {
		return false, fmt.Errorf("it gives a %s, want true or false", out.Type().TypeName())
	}
	is, ok := answer.(bool)
	return is && ok, nil
}
