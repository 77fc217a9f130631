// Package egress records what happens in rooms.
//
// A job is one recording. Its EgressInfo is kept beside the event log with each
// change of its status and the event that tells of it, in one commit: a job ends in
// exactly one egress_ended, whatever dies. A worker, a process of its own, does the
// work, fed by taps of tracks through a bounded buffer: it can hang or crash without
// anybody else's noticing. When the server dies it finishes its files; the next
// start makes whole what it left, and ends the jobs of the last run.
//
// Any request becomes a request.Request. plan.go says which Worker serves it, and
// alone refuses what none does; outputs.go lays out where things go; taps.go and
// source.go choose tracks of the room, now and later; job.go carries between room
// and worker; results.go says what there is, also after a death. A new kind of
// worker is a worker.New in cmd/rollcall and an entry in Options.Workers.
package egress
