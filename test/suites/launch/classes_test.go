package launch_test

// A node class as existing users of karpenter.k8s.oracle/v1alpha1 write it: names, switches for VCN-native pod networking in the
// metadata, no security groups, the deprecated tags, and a NodePool that says preemptible.
const existingStyle = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: existing}
spec:
  vcnId: {{.VCNID}}
  imageFamily: OracleOKELinux
  imageSelector:
    - name: Oracle-Linux-8.10-2026.04.30-3-OKE-1.35.2-1462
      compartmentId: {{.ImageCompartmentID}}
  subnetSelector:
    - name: nodes-1
  bootConfig: {bootVolumeSizeInGBs: 100, bootVolumeVpusPerGB: 20}
  blockDevices:
    - {sizeInGBs: 50, vpusPerGB: 10}
  launchOptions: {bootVolumeType: PARAVIRTUALIZED, firmware: UEFI_64, networkType: PARAVIRTUALIZED, remoteDataVolumeType: PARAVIRTUALIZED, isConsistentVolumeNamingEnabled: true}
  metaData:
    oke-native-pod-networking: "true"
    oke-max-pods: "31"
    pod-subnets: {{index .PodSubnetIDs 0}}
    ssh_authorized_keys: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5 operator@example.com
  preInstallScript: |
    echo 'it''s fine' > /tmp/before
  tags: {team: before, cost: "42"}
  agentList: [Bastion]
  kubelet:
    maxPods: 31
    systemReserved: {memory: 150Mi}
    evictionHard: {memory.available: 750Mi, nodefs.available: 10%, imagefs.available: 15%}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: existing}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: existing}
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: [preemptible]}
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex]}
`

const ubuntu = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: ubuntu}
spec:
  imageFamily: Ubuntu2404
  imageSelector:
    - {osFamily: Ubuntu, osVersion: "24.04", compartmentId: {{.UbuntuImageCompartmentID}}}
  subnetSelector:
    - freeFormTags: {role: nodes}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: ubuntu}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: ubuntu}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
`

// As much as one class can say, selected by tags and operating system.
const newStyle = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: new}
spec:
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "8"}
  imagePolicy: {adopt: Automatic, soak: 72h}
  subnetSelector:
    - freeFormTags: {role: nodes}
  securityGroupSelector:
    - freeFormTags: {role: nodes}
  podNetworking:
    podSubnetSelector:
      - freeFormTags: {role: pods}
    podSecurityGroupSelector:
      - freeFormTags: {role: pods}
  bootConfig: {bootVolumeSizeInGBs: 120, bootVolumeVpusPerGB: 30, isPvEncryptionInTransitEnabled: true}
  blockDevices:
    - {sizeInGBs: 60, mountPath: /var/lib/data, fileSystem: xfs}
  platformConfig: {isSecureBootEnabled: true, isTrustedPlatformModuleEnabled: true, isMeasuredBootEnabled: true}
  placement: {faultDomains: [FAULT-DOMAIN-1, FAULT-DOMAIN-3]}
  availabilityConfig: {recoveryAction: STOP_INSTANCE}
  disabledAgentList: [OS Management Service Agent]
  sshAuthorizedKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5 operator@example.com"]
  preInstallScript: |
    echo "before $(hostname)" || true
  postInstallScript: |
    echo after
  freeFormTags: {team: data}
  definedTags: {cost: {center: "42"}}
  kubelet:
    kubeReserved: {cpu: 250m, memory: 2Gi}
    evictionSoft: {memory.available: 1Gi}
    evictionSoftGracePeriod: {memory.available: 90s}
    imageGCHighThresholdPercent: 80
    imageGCLowThresholdPercent: 70
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: new}
spec:
  template:
    metadata:
      labels: {tier: "data"}
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: new}
      taints:
        - {key: dedicated, value: data, effect: NoSchedule}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
  disruption:
    budgets: [{nodes: "100%"}]
`

// pod is one that only its NodePool can take.
type pod struct{ Name, Pool, CPU string }

const workload = `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}, namespace: default}
spec:
  nodeSelector: {karpenter.sh/nodepool: {{.Pool}}}
  tolerations:
    - {key: dedicated, operator: Exists}
    - {key: oci.oraclecloud.com/oke-is-preemptible, operator: Exists}
  containers:
    - name: main
      image: registry.example/app:1
      resources: {requests: {cpu: "{{.CPU}}", memory: 2Gi}}
`
