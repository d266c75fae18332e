package sizes_test

import (
	"strconv"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// pool is a node class and a NodePool of the same name. Empty nodes stay, so that every NodeClaim that was ever made can be counted. Each
// has a shape of its own, because what is learned of one size speaks about the shape's others.
type pool struct{ Name, Sizing, Shape string }

var (
	fitted  = pool{"fitted", "Fit", "VM.Standard.E5.Flex"}
	grid    = pool{"grid", "Grid", "VM.Standard.E4.Flex"}
	blocked = pool{"blocked", "Fit", "VM.Standard3.Flex"}
	pools   = []pool{fitted, grid, blocked}
)

const poolManifest = live.FlexClass + `---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.Name}}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: {{.Name}}}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [{{.Shape}}]}
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
`

// pod is one that only its NodePool can take.
type pod struct{ Name, Pool, Memory string }

const podManifest = `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}, namespace: default}
spec:
  terminationGracePeriodSeconds: 0
  nodeSelector: {karpenter.sh/nodepool: {{.Pool}}}
  containers:
    - name: main
      image: registry.example/app:1
      resources: {requests: {cpu: 100m, memory: "{{.Memory}}"}}
`

// daemons is what the DaemonSets of the test cluster request on every node.
const daemons = 90 << 20

// filling is the memory that fills a node with so many GB to the byte, by the model.
func filling(memoryGB float64) string {
	return strconv.FormatInt(resources.AllocatableMemory(memoryGB)-daemons, 10)
}
