package charts_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// fragment is what a sample changes of a plain web pod: its metadata, its spec, its first container, or that container's security
// context.
type fragment struct {
	Metadata  map[string]any `json:"metadata"`
	Spec      map[string]any `json:"spec"`
	Container map[string]any `json:"container"`
	Security  map[string]any `json:"security"`
}

// sample makes a pod from a fragment of YAML.
func sample(t testing.TB, text string) *corev1.Pod {
	t.Helper()
	var f fragment
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &f), text)
	container := map[string]any{
		"name": "web", "image": "registry.example/web:1",
		"resources": map[string]any{
			"requests": map[string]any{"cpu": "250m", "memory": "256Mi"}, "limits": map[string]any{"cpu": "250m", "memory": "256Mi"},
		},
	}
	maps.Copy(container, f.Container)
	if f.Security != nil {
		container["securityContext"] = f.Security
	}
	containers := []any{container}
	if more, ok := f.Spec["containers"].([]any); ok {
		containers = append(containers, more...)
		delete(f.Spec, "containers")
	}
	spec := map[string]any{"containers": containers}
	maps.Copy(spec, f.Spec)
	metadata := map[string]any{"name": "sample", "labels": map[string]any{"app": "web"}}
	maps.Copy(metadata, f.Metadata)
	data, err := json.Marshal(map[string]any{"metadata": metadata, "spec": spec})
	require.NoError(t, err)
	pod := &corev1.Pod{}
	require.NoError(t, yaml.UnmarshalStrict(data, pod), text)
	return pod
}

// refused holds, for every hard rule, pods that break it and it alone.
var refused = map[string][]string{
	"daemonset":  {`metadata: {ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: agent, uid: a}]}`},
	"static-pod": {`metadata: {ownerReferences: [{apiVersion: v1, kind: Node, name: n, uid: a}]}`},
	"karpenter-labels": {
		`spec: {nodeSelector: {karpenter.sh/nodepool: general}}`,
		`spec: {nodeSelector: {karpenter.k8s.oracle/instance-family: E4}}`,
		`spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
			{matchExpressions: [{key: karpenter.k8s.oracle/instance-ocpu, operator: Gt, values: ["3"]}]},
			{matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [amd64]}, {key: karpenter.sh/nodepool, operator: Exists}]}]}}}}`,
	},
	"extended-resources": {
		`container: {resources: {limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: 1}}}`,
		`spec: {containers: [{name: side, image: i, resources: {limits: {example.com/dongle: 1}, requests: {example.com/dongle: 1}}}]}`,
	},
	"hugepages":       {`container: {resources: {limits: {hugepages-2Mi: 4Mi, memory: 1Gi, cpu: 1}, requests: {hugepages-2Mi: 4Mi, memory: 1Gi, cpu: 1}}}`},
	"resource-claims": {`spec: {resourceClaims: [{name: gpu, resourceClaimName: gpu}]}`},
	"too-large": {
		`container: {resources: {limits: {cpu: 128001m}}}`,
		`container: {resources: {requests: {memory: 1025Gi}}}`,
		`container: {resources: {limits: {cpu: 100}}}
spec: {containers: [{name: side, image: i, resources: {limits: {cpu: 29}}}]}`,
	},
	"ephemeral-storage": {`container: {resources: {requests: {ephemeral-storage: 16Gi}}}`},
	"windows":           {`spec: {os: {name: windows}}`},
	"runtime-class":     {`spec: {runtimeClassName: kata}`},

	"file-storage-claim":      {}, // nobody can tell at admission
	"persistent-volume-claim": {`spec: {volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}`},
	"ephemeral-volume":        {`spec: {volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]}`},
	"host-path":               {`spec: {volumes: [{name: v, hostPath: {path: /var/log}}]}`},
	"network-volume": {
		`spec: {volumes: [{name: v, nfs: {server: nfs.example, path: /}}]}`,
		`spec: {volumes: [{name: v, iscsi: {targetPortal: 10.0.0.1, iqn: "iqn.2026-01.example:a", lun: 0}}]}`,
		`spec: {volumes: [{name: v, cephfs: {monitors: [m]}}]}`,
	},
	"other-volume": {
		`spec: {volumes: [{name: v, csi: {driver: example.com}}]}`,
		`spec: {volumes: [{name: v, image: {reference: registry.example/data:1}}]}`,
	},
	"several-empty-dirs":   {`spec: {volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}]}`},
	"empty-dir-size-limit": {`spec: {volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}]}`},
	"empty-dir-medium":     {`spec: {volumes: [{name: v, emptyDir: {medium: HugePages}}]}`},
	"file-modes": {
		`spec: {volumes: [{name: v, configMap: {name: c, defaultMode: 0600}}]}`,
		`spec: {volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: p, mode: 0400}]}}]}`,
		`spec: {volumes: [{name: v, downwardAPI: {items: [{path: p, mode: 0640, fieldRef: {fieldPath: metadata.name}}]}}]}`,
		`spec: {volumes: [{name: v, projected: {defaultMode: 0440, sources: []}}]}`,
		`spec: {volumes: [{name: v, projected: {sources: [{configMap: {name: c, items: [{key: k, path: p, mode: 0600}]}}]}}]}`,
	},
	"downward-api-resources": {
		`container: {env: [{name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}`,
		`spec: {volumes: [{name: v, downwardAPI: {items: [{path: cpu, resourceFieldRef: {containerName: web, resource: limits.cpu}}]}}]}`,
		`spec: {volumes: [{name: v, projected: {sources: [{downwardAPI: {items: [{path: cpu, resourceFieldRef: {containerName: web, resource: limits.cpu}}]}}]}}]}`,
	},
	"sub-path": {
		`container: {volumeMounts: [{name: v, mountPath: /a, subPath: b}]}
spec: {volumes: [{name: v, configMap: {name: c}}]}`,
		`container: {env: [{name: N, value: n}], volumeMounts: [{name: v, mountPath: /a, subPathExpr: $(N)}]}
spec: {volumes: [{name: v, configMap: {name: c}}]}`,
	},
	"mount-propagation": {`container: {volumeMounts: [{name: v, mountPath: /a, mountPropagation: HostToContainer}]}
spec: {volumes: [{name: v, emptyDir: {}}]}`},
	"volume-devices": {`container: {volumeDevices: [{name: v, devicePath: /dev/x}]}`},

	"init-containers":      {`spec: {initContainers: [{name: migrate, image: i}]}`, `spec: {initContainers: [{name: proxy, image: i, restartPolicy: Always}]}`},
	"ephemeral-containers": {`spec: {ephemeralContainers: [{name: debug, image: i}]}`},
	"host-network":         {`spec: {hostNetwork: true}`},
	"host-namespaces":      {`spec: {hostPID: true}`, `spec: {hostIPC: true}`},
	"host-port":            {`container: {ports: [{containerPort: 80, hostPort: 80}]}`, `container: {ports: [{containerPort: 80, hostIP: 10.0.0.1}]}`},
	"hostname":             {`spec: {hostname: web-0, subdomain: web}`, `spec: {setHostnameAsFQDN: true}`, `spec: {hostnameOverride: web}`},
	"shared-processes":     {`spec: {shareProcessNamespace: true}`},
	"fs-group":             {`spec: {securityContext: {fsGroup: 1000}}`, `spec: {securityContext: {fsGroupChangePolicy: Always}}`},
	"supplemental-groups":  {`spec: {securityContext: {supplementalGroups: [1000]}}`, `spec: {securityContext: {supplementalGroupsPolicy: Strict}}`},
	"sysctls":              {`spec: {securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]}}`},
	"selinux":              {`spec: {securityContext: {seLinuxOptions: {type: t}}}`, `security: {seLinuxOptions: {type: t}}`},
	"seccomp":              {`spec: {securityContext: {seccompProfile: {type: RuntimeDefault}}}`, `security: {seccompProfile: {type: RuntimeDefault}}`},

	"privileged":           {`security: {privileged: true}`},
	"privilege-escalation": {`security: {allowPrivilegeEscalation: true}`},
	"proc-mount":           {"security: {procMount: Unmasked}\nspec: {hostUsers: false}"},
	"grpc-probe":           {`container: {livenessProbe: {grpc: {port: 9000}}}`, `container: {startupProbe: {grpc: {port: 9000}}}`},
	"node-port-range":      {`container: {ports: [{containerPort: 30000}]}`, `container: {ports: [{containerPort: 32767}]}`},
}

// taken are pods near those that are refused, which virtual nodes run.
var taken = map[string]string{
	"a plain web pod": ``,
	"a pod with all harmless volumes": `spec: {volumes: [{name: a, configMap: {name: c, defaultMode: 0644}}, {name: b, secret: {secretName: s}}, {name: d, emptyDir: {medium: Memory}},
		{name: e, projected: {sources: [{configMap: {name: c}}, {downwardAPI: {items: [{path: pod, fieldRef: {fieldPath: metadata.name}}]}}]}}, {name: f, downwardAPI: {items: [{path: pod, fieldRef: {fieldPath: metadata.name}}]}}]}`,
	"a pod of a ReplicaSet":            `metadata: {ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: a, controller: true}]}`,
	"a pod of another kind of set":     `metadata: {ownerReferences: [{apiVersion: example.com/v1, kind: DaemonSet, name: web, uid: a}]}`,
	"the largest pod":                  `container: {resources: {limits: {cpu: 128, memory: 1Ti, ephemeral-storage: 15Gi}, requests: {cpu: 100m}}}`,
	"many small containers":            `spec: {containers: [{name: b, image: i, resources: {requests: {cpu: 100m, memory: 0.1Gi}}}, {name: c, image: i}]}`,
	"no extended resource":             `container: {resources: {limits: {nvidia.com/gpu: 0}, requests: {nvidia.com/gpu: 0}}}`,
	"a restrained container":           `security: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, privileged: false, procMount: Default, capabilities: {drop: [ALL]}, runAsUser: 1000, runAsNonRoot: true}`,
	"other probes":                     `container: {livenessProbe: {httpGet: {port: 80}}, readinessProbe: {exec: {command: [a]}}, startupProbe: {tcpSocket: {port: 80}}}`,
	"ports beside the NodePort range":  `container: {ports: [{containerPort: 29999}, {containerPort: 32768}]}`,
	"a plain mount":                    "container: {volumeMounts: [{name: v, mountPath: /a, mountPropagation: None}]}\nspec: {volumes: [{name: v, emptyDir: {}}]}",
	"environment from the pod":         `container: {env: [{name: A, value: b}, {name: N, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}`,
	"Linux by name":                    `spec: {os: {name: linux}}`,
	"a pod-level security context":     `spec: {securityContext: {runAsUser: 1000, runAsNonRoot: true}}`,
	"an arch selector":                 `spec: {nodeSelector: {kubernetes.io/arch: amd64}}`,
	"the selector itself":              `spec: {nodeSelector: {type: virtual-node}}`,
	"tolerations of other taints":      `spec: {tolerations: [{key: a, operator: Exists}, {key: virtual-kubelet.io/provider, operator: Equal, value: other}, {key: virtual-kubelet.io/provider, operator: Exists, effect: NoExecute}]}`,
	"a toleration of every taint":      `spec: {tolerations: [{operator: Exists}]}`,
	"a label that must not be there":   `spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: karpenter.sh/nodepool, operator: DoesNotExist}, {key: disk, operator: NotIn, values: [hdd]}]}]}}}}`,
	"a choice with one way in":         `spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: karpenter.sh/nodepool, operator: Exists}]}, {matchExpressions: [{key: type, operator: Exists}]}]}}}}`,
	"preferences":                      `spec: {affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: karpenter.sh/nodepool, operator: Exists}]}}]}}}`,
	"a word that is no layer":          `metadata: {annotations: {karpenter.k8s.oracle/layer: somewhere}}`,
	"virtual stated by the pod":        `metadata: {labels: {karpenter.k8s.oracle/layer: virtual}}`,
	"an annotation that beats a label": `metadata: {annotations: {karpenter.k8s.oracle/layer: virtual}, labels: {karpenter.k8s.oracle/layer: managed}}`,
}

// left are pods that virtual nodes would run and that the policy leaves as they are nonetheless, with the condition that says so.
var left = map[string]struct{ condition, pod string }{
	"managed by annotation":                     {"not-stated-managed", `metadata: {annotations: {karpenter.k8s.oracle/layer: managed}}`},
	"managed by label":                          {"not-stated-managed", `metadata: {labels: {karpenter.k8s.oracle/layer: managed}}`},
	"managed by annotation against its label":   {"not-stated-managed", `metadata: {annotations: {karpenter.k8s.oracle/layer: managed}, labels: {karpenter.k8s.oracle/layer: virtual}}`},
	"bound to a node":                           {"not-bound", `spec: {nodeName: somewhere}`},
	"with the toleration":                       {"not-tolerated-yet", `spec: {tolerations: [{key: virtual-kubelet.io/provider, operator: Equal, value: oracle, effect: NoSchedule}]}`},
	"with a toleration of the key":              {"not-tolerated-yet", `spec: {tolerations: [{key: a}, {key: virtual-kubelet.io/provider, operator: Exists}]}`},
	"with a toleration that says no operator":   {"not-tolerated-yet", `spec: {tolerations: [{key: virtual-kubelet.io/provider, value: oracle}]}`},
	"that select a label of managed nodes":      {"selects-no-other-labels", `spec: {nodeSelector: {workload-type: stateful}}`},
	"that require a label of managed nodes":     {"selects-no-other-labels", `spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: In, values: [ssd]}]}]}}}}`},
	"that select another value of the selector": {"selects-no-other-values", `spec: {nodeSelector: {type: gpu}}`},
}
