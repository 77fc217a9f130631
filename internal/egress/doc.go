// Package egress records what happens in rooms.
//
// A job is one recording. Its description, the EgressInfo of the API, is kept
// beside the event log with each change of its status and the event that tells of
// it, in one commit; so a job ends in exactly one egress_ended, whatever dies. Who
// writes the file is a worker, a process of its own, fed by a tap of the track
// through a bounded buffer: it can hang, crash or be slow without anybody else's
// noticing.
//
// When the server dies its workers finish their files and end. Start makes whole
// what a dead worker left, and ends the jobs of the last run.
//
// It knows rooms and the log by the interfaces in options.go.
package egress
