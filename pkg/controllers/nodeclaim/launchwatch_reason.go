package nodeclaim

import (
	"regexp"
)

// symptom is what a boot that fails writes to its console, and what a person can do about it.
type symptom struct {
	text *regexp.Regexp
	hint string
}

// network is the advice for a node that can not reach the API server.
const network = "let the subnets of the class reach the cluster's private endpoint on TCP 6443 and 12250: a route to it (route table), " +
	"and rules for it in the security lists or network security groups of both sides"

// symptoms are looked for in this order: what stops a boot early before what may only follow from it.
var symptoms = []symptom{
	{regexp.MustCompile(`(?i)oke-install\.sh: (command )?not found|oke-install\.sh: No such file|oke: command not found`),
		"the image carries none of OKE's programs; choose one of OKE's images in imageSelector, or imageFamily Custom"},
	{regexp.MustCompile(`(?i)169\.254\.169\.254.*(timed out|timeout|refused|404|401)|(timed out|timeout|refused|404).*169\.254\.169\.254`),
		"the instance could not read its metadata; areLegacyImdsEndpointsDisabled, a local firewall or the pre-install script may be in the way"},
	{regexp.MustCompile(`(?i)preInstallScript|pre-install.*(failed|status [1-9])`),
		"the class's preInstallScript failed"},
	{regexp.MustCompile(`(?i)x509: certificate signed by unknown authority|certificate verify failed`),
		"the node does not trust the API server's certificate; the cluster's certificate authority changed, or something intercepts TLS"},
	{regexp.MustCompile(`(?i)CLUSTER_JOIN|\bUnauthorized\b|the server has asked for the client to provide credentials|NotAuthorizedOrNotFound|forbidden: User "system:anonymous"`),
		"the instance may not join; the policy needs: Allow dynamic-group <of the nodes> to {CLUSTER_JOIN} in compartment <of the cluster>, and the dynamic group must match the instances' compartment"},
	{regexp.MustCompile(`(?i)i/o timeout|connection timed out|no route to |network is unreachable|dial tcp [0-9.]+:(6443|12250)`),
		network},
	{regexp.MustCompile(`(?i)could not resolve host|temporary failure in name resolution|no such host`),
		"names are not resolved; the VCN's DNS resolver must be reachable from the subnets of the class"},
	{regexp.MustCompile(`(?i)unknown flag: --|failed to parse kubelet flag|failed to load kubelet config`),
		"the kubelet does not take its settings; look at kubeletConfig of the class and the image's Kubernetes version"},
	{regexp.MustCompile(`(?i)no space left on device`),
		"the boot volume is full; raise bootVolumeSizeInGBs"},
	{regexp.MustCompile(`(?i)kernel panic|emergency mode|dracut.*timeout`),
		"the operating system did not come up; the image may not suit the shape"},
}

// usualReasons is for a console that can not be read or says nothing known.
const usualReasons = "usual reasons are a dynamic group without CLUSTER_JOIN, and a route table or security rules that keep the class's " +
	"subnets from the cluster's private endpoint (TCP 6443 and 12250)"

// reasonIn reads from a console why an instance does not become a node; empty when it shows nothing known. The text is a machine's, and only
// chooses between sentences that stand here.
func reasonIn(console string) string {
	for _, s := range symptoms {
		if s.text.MatchString(console) {
			return s.hint
		}
	}
	return ""
}
