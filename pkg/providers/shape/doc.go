// Package shape turns OCI's list of compute shapes into typed facts that the rest of the provider can compute with.
//
// The list (ListShapes, once per availability domain) says how many OCPUs, how much memory and how many VNICs a shape has. It does not
// say the processor architecture, how many vCPUs an OCPU is, whether preemptible capacity exists or what a GPU's vendor is: rules.go
// derives those from the name and the processor's description, with the certainty of each rule beside it, and Override corrects them
// without a release. A shape that no rule knows is offered all the same, with a warning.
//
// Refresh does the I/O; readers take an immutable Snapshot from memory.
package shape
