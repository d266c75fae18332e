// Package oci is the only door to Oracle Cloud: the SDK's clients are made and called here and nowhere else. Every call passes
// one limiter, is counted, is retried by its error's class, and fails with an *Error that carries that class.
//
// The SDK's model types (core.Instance, core.Shape, ...) travel up to the providers; its clients do not leave this package.
package oci
