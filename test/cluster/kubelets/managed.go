package kubelets

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// managedUserData is the boot script of OKE's managed nodes: it fetches the real one from the metadata service.
const managedUserData = `#!/bin/bash
curl --fail -H "Authorization: Bearer Oracle" -L0 http://169.254.169.254/opc/v2/instance/metadata/oke_init_script | base64 --decode >/var/run/oke-init.sh
bash /var/run/oke-init.sh
`

// ManagedNode says how the nodes of a managed node pool join.
type ManagedNode struct {
	Endpoint   string // host of the private API endpoint
	CA         []byte // PEM
	ClusterDNS string
	NodePoolID string            // OCID
	Labels     map[string]string // initial node labels
	Taints     []string          // as in --register-with-taints: key=value:Effect
}

// ManagedMetadata is the instance metadata that a managed node pool gives its instances.
func ManagedMetadata(n ManagedNode) map[string]string {
	script := "#!/bin/bash\nset -e\n/usr/libexec/oci-growfs -y\nbash /etc/oke/oke-install.sh"
	for _, arg := range [][2]string{{"--apiserver-endpoint", n.Endpoint}, {"--kubelet-ca-cert", base64.StdEncoding.EncodeToString(n.CA)}, {"--cluster-dns", n.ClusterDNS}} {
		if arg[1] != "" {
			script += fmt.Sprintf(" %s '%s'", arg[0], arg[1])
		}
	}
	if len(n.Taints) > 0 {
		script += fmt.Sprintf(" --kubelet-extra-args '--register-with-taints=%s'", strings.Join(n.Taints, ","))
	}
	var labels []string
	for k, v := range n.Labels {
		labels = append(labels, k+"="+v)
	}
	return map[string]string{
		"user_data":               base64.StdEncoding.EncodeToString([]byte(managedUserData)),
		"oke_init_script":         base64.StdEncoding.EncodeToString([]byte(script + "\n")),
		"oke-initial-node-labels": strings.Join(labels, ","),
		metadataNodePool:          n.NodePoolID,
	}
}
