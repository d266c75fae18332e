// Package virtualnode decides which pending pods belong to OKE's virtual nodes and keeps Karpenter core away from them.
//
// Virtual nodes run pods without machines, so a pod that they will take must not cause a NodeClaim. Core knows nothing of them:
// it would buy nodes for pods that wait for a virtual node, and would take the virtual nodes' huge allocatable for free capacity
// that managed nodes can be emptied onto. This package puts itself between core and the API server, without changing core:
//
//   - [Filter.Decide] is the one place that chooses a pod's layer. It is pure: rules, a snapshot of the cluster, the time, the pod.
//   - [NewClient] wraps the client that core's controllers read with: skipped pods are marked as "not Karpenter's" on the copy that
//     core receives, and virtual nodes are shown without room.
//   - [WrapControllers] swaps core's pod trigger, so that skipped pods neither wake the scheduling loop nor stretch its batches,
//     and get an event that tells a person why they wait.
//   - [Index] keeps what Decide must know about virtual nodes, NodePools and namespaces in memory.
//
// What stays core's: everything about pods that are not skipped. What stays kube-scheduler's: binding; this package never binds,
// evicts or changes an object in the API server.
package virtualnode
