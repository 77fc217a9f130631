// Package sctp is one end of an SCTP association (RFC 9260) as data channels use
// it (RFC 8831): over DTLS, with unordered and partially reliable messages
// (RFC 3758) and with streams that are reset (RFC 6525).
//
// An Association has no goroutine, no lock and no clock. It is told what arrived,
// what is to be sent and what time it is, and calls Options.Write for each packet;
// Deadline says when it wants to be told the time again. So a message goes out on
// the goroutine that sends it, and an idle association costs its memory.
//
// Left out, because data channels have no use for it: several addresses,
// authentication, bundling of a user's messages on a timer, restart. It knows no
// transport and no pion package.
package sctp
