// Package rtpstats counts what a stream receives (RFC 3550 §6.4.1, appendix
// A.3 and A.8), measures rates, and converts times between RTP, NTP and ours.
//
// Pure leaf; the owner of a value guards it. Imported by uptrack and
// downtrack.
package rtpstats
