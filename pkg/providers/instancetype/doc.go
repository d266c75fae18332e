// Package instancetype turns shapes, prices and what is known of capacity into the instance types that Karpenter core schedules on.
//
// From the region's shapes it makes cells (a shape at a size, cell.go), keeps those that a NodePool's requirements leave and as many as
// its budget allows (selection.go), and builds each into an InstanceType: requirements for every well-known label, what a node of that
// size can hold (package resources), and an offering for each zone and capacity type (build.go). Results are cached by content and
// dropped by generation numbers (provider.go), so that the frequent call costs a hash and a copy of pointers.
package instancetype
