// Package rights compares what roles grant with what the API server's audit log says that a user did. A right is written
// "resource.group/subresource verb", such as "nodeclaims.karpenter.sh/status patch".
package rights

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/samber/lo"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// longestLine is far beyond an event of the audit log without bodies.
const longestLine = 1 << 20

// Audited are the rights that a user used and those it was refused, by an audit log. Nothing used is an error: the log is another's then.
func Audited(log, user string) (used, refused []string, err error) {
	file, err := os.Open(log)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var event struct {
			User struct{ Username string }
			Verb string
			// ObjectRef is empty for what is no resource.
			ObjectRef      struct{ APIGroup, Resource, Subresource string }
			ResponseStatus struct{ Code int }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.User.Username != user || event.ObjectRef.Resource == "" {
			continue // another's, or the line that is being written
		}
		right := of(event.ObjectRef.APIGroup, event.ObjectRef.Resource, event.ObjectRef.Subresource, event.Verb)
		if event.ResponseStatus.Code == 403 {
			refused = append(refused, right)
			continue
		}
		used = append(used, right)
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("reading the audit log: %w", err)
	}
	if len(used) == 0 {
		return nil, nil, errors.New("the audit log has nothing of " + user)
	}
	return lo.Uniq(used), lo.Uniq(refused), nil
}

// Granted are the rights that Roles and ClusterRoles among the objects grant, without those that are aggregated to other roles.
func Granted(objects []*unstructured.Unstructured) ([]string, error) {
	var granted []string
	for _, object := range objects {
		aggregated := lo.SomeBy(lo.Keys(object.GetLabels()), func(l string) bool { return strings.HasPrefix(l, "rbac.authorization.k8s.io/aggregate-to-") })
		if aggregated || object.GetKind() != "Role" && object.GetKind() != "ClusterRole" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					name, subresource, _ := strings.Cut(resource, "/")
					granted = append(granted, lo.Map(rule.Verbs, func(verb string, _ int) string { return of(group, name, subresource, verb) })...)
				}
			}
		}
	}
	return lo.Uniq(granted), nil
}

// Unused are the rights that were granted and not used, but for those that are excused. A watch begins with a list where the API server does not
// stream the first state, so a list counts as used where there was a watch.
func Unused(granted, used []string, excused map[string]string) []string {
	unused, _ := lo.Difference(granted, used)
	return lo.Filter(unused, func(right string, _ int) bool {
		resource, listed := strings.CutSuffix(right, " list")
		return excused[right] == "" && (!listed || !slices.Contains(used, resource+" watch"))
	})
}

func of(group, resource, subresource, verb string) string {
	if group != "" {
		resource += "." + group
	}
	if subresource != "" {
		resource += "/" + subresource
	}
	return resource + " " + verb
}
