// Package ocisim simulates the part of Oracle Cloud Infrastructure that an OKE node autoscaler talks to: compute, virtual network, identity,
// container engine, limits and the public price list, over HTTP in the wire format of the real services. The unmodified OCI SDK is its client.
//
// The state is typed and consistent: an instance moves PROVISIONING -> RUNNING -> TERMINATING -> TERMINATED on a clock, its VNIC, its private IP and its
// boot volume come and go with it, subnets run out of addresses, hosts and service limits run out of room. Faults can be scripted, every request is
// journalled, and lifecycle changes can be watched.
//
// Start serves a simulator on an address; New makes one without any I/O, as an http.Handler, for tests that bring their own server and clock.
//
// Where public sources do not settle what the real service does, the choice made here is written beside the code, marked "uncertain".
package ocisim
