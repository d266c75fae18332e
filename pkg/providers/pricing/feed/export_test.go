package feed

// CheckRedirect is for tests: a server with TLS would need a client that trusts it.
var CheckRedirect = checkRedirect
