// Package console is the HTTP side of a server: health, metrics and profiles.
//
//	/livez        200 while the process works
//	/readyz       200 when every role answers, 503 with the reason otherwise
//	/metrics      Prometheus text; the broker's series have the names of Apache RocketMQ 5.x
//	/debug/pprof  Go profiles
//
// A Server belongs to whoever calls Run, which returns when the context ends.
package console
