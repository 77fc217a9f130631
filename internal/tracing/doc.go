// Package tracing shows OpenTelemetry how a join went: signalling, ICE, the first
// media, the event in the log, and the webhook that was accepted.
//
// It is not made unless somebody asked for it: then each join has a few spans, in
// the trace that its request was in (traceparent, W3C Trace Context), and each
// webhook carries the traceparent of the join that it came from. Nothing is traced
// for packets. What is remembered of joins is bounded, and ends with the process.
//
// It may be imported by server only, and is the only importer of OpenTelemetry.
package tracing
