// Package memory keeps the controller small on large clusters. What it holds of a cluster are, above all, pods, nodes and NodeClaims as the API
// server sent them, and the series that tell about each of them.
package memory
