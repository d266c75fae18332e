package live

// PodNetworkDefinition is as much of OKE's own definition of NativePodNetworks as the API server needs to store the objects.
const PodNetworkDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nativepodnetworks.oci.oraclecloud.com}
spec:
  group: oci.oraclecloud.com
  scope: Cluster
  names: {kind: NativePodNetwork, listKind: NativePodNetworkList, plural: nativepodnetworks, singular: nativepodnetwork, shortNames: [npn]}
  versions:
    - name: v1beta1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
