// Package ingress has streams of encoders come in as participants of kind INGRESS.
//
// An endpoint, the IngressInfo of the API, is kept beside the event log; each change
// of its state and the event of it are one commit, so whoever connects causes one
// ingress_ended, whatever dies, and before it one ingress_started if it published.
//
// An input (RTMP, WHIP, a URL) authenticates a source with Service.Admit, which
// returns a Session: BUFFERING. Join brings the participant into the room, Publish
// makes its tracks, the first Track.WriteSample or WriteRTP makes it PUBLISHING, so
// publish every track before it. A silent source is BUFFERING until it goes on. The
// input calls End when the source is done or failed; when the service ends the
// session, Ended is closed, Cause says why, and the input closes its connection.
// Sources of a URL are pulled by Options.Pull.
package ingress
