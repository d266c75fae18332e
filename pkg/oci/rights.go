package oci

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Refusal is a request that OCI refused because of a right that is missing or an object that is not there: it answers the same
// for both.
type Refusal struct {
	// Resource is the policy resource type that the answer speaks of, such as subnets; empty when it does not say.
	Resource string
	// Verb is the least verb of a policy statement that allows it, such as use.
	Verb string
}

// refusedWords are looked for in the message of a refusal, the most special first.
var refusedWords = []struct {
	word    string
	refusal Refusal
}{
	{"networksecuritygroup", Refusal{"network-security-groups", "use"}},
	{"network security group", Refusal{"network-security-groups", "use"}},
	{"capacityreservation", Refusal{"compute-capacity-reservations", "use"}},
	{"capacity reservation", Refusal{"compute-capacity-reservations", "use"}},
	{"clusterplacementgroup", Refusal{"cluster-placement-groups", "use"}},
	{"cluster placement group", Refusal{"cluster-placement-groups", "use"}},
	{"computecluster", Refusal{"compute-clusters", "use"}},
	{"compute cluster", Refusal{"compute-clusters", "use"}},
	{"dedicatedvmhost", Refusal{"dedicated-vm-hosts", "use"}},
	{"dedicated vm host", Refusal{"dedicated-vm-hosts", "use"}},
	{"ocid1.key.", Refusal{"key-delegate", "use"}},
	{"kms", Refusal{"key-delegate", "use"}},
	{"tag namespace", Refusal{"tag-namespaces", "use"}},
	{"tagnamespace", Refusal{"tag-namespaces", "use"}},
	{"subnet", Refusal{"subnets", "use"}},
	{"vnic", Refusal{"vnics", "use"}},
	{"image", Refusal{"instance-images", "read"}},
	{"volume", Refusal{"volumes", "manage"}},
}

// RefusalOf says whether an error is a refusal, and reads from it what was refused.
func RefusalOf(err error) (Refusal, bool) {
	var failure *Error
	if !errors.As(err, &failure) {
		return Refusal{}, false
	}
	refused := failure.Class == ClassNotFound || failure.Class == ClassNotAuthorized || failure.Code == "RelatedResourceNotAuthorizedOrNotFound"
	if !refused || failure.Code == "NotAuthenticated" {
		return Refusal{}, false
	}
	message := strings.ToLower(failure.Message)
	for _, known := range refusedWords {
		if strings.Contains(message, known.word) {
			return known.refusal, true
		}
	}
	return Refusal{}, true
}

// Statement is a policy statement in OCI's language. compartment is an OCID or, in angle brackets, which compartment is meant.
func Statement(verb, resource, compartment string) string {
	in := "compartment id " + compartment
	switch {
	case strings.HasPrefix(compartment, "<"):
		in = "compartment " + compartment
	case strings.HasPrefix(compartment, "ocid1.tenancy."), strings.HasPrefix(compartment, "ocidv1:tenancy"):
		in = "tenancy"
	}
	return fmt.Sprintf("Allow <the controller> to %s %s in %s", verb, resource, in)
}

// unstable are parts of messages that differ from one answer to the next.
var unstable = []*regexp.Regexp{
	regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?`), // times
	regexp.MustCompile(`(?i)(opc[- ]?)?request[- ]?id:?\s*\S+`),
	regexp.MustCompile(`\b[0-9A-Fa-f]{24,}(/[0-9A-Fa-f]{24,})*`), // request ids that stand alone
}

// StableText is an error's text without times and request ids, so that it may stand in a status condition.
func StableText(err error) string {
	text := err.Error()
	for _, part := range unstable {
		text = part.ReplaceAllString(text, "...")
	}
	return text
}
