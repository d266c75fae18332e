// Package preflight finds before anything else starts what would let the controller half-work: definitions that are older than it, a second
// controller of the same cluster, rights that are missing. Each is one sentence that says what to do.
package preflight
