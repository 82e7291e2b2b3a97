// Package proxyproto reads the PROXY protocol headers, version 1 and 2, with which
// load balancers say whose connection they forward. Parse is all of it; it keeps
// nothing of its input, never panics and may be called from any goroutine.
//
// Java counterpart: Netty's HAProxyMessageDecoder, with its limits.
package proxyproto
