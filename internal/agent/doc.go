// Package agent brings agents into rooms. Workers (processes of the LiveKit
// Agents framework) connect to /agent and say what they can do; a dispatch says
// that a room wants an agent; each makes jobs, and each job goes to one worker,
// with a token to join the room with.
//
// One goroutine (the loop) owns workers, dispatches and jobs. It hears of rooms
// by reading the event log, and tells of jobs by appending agent_job_pending,
// agent_job_started and agent_job_ended: every job that was pending ends exactly
// once, also across a crash of the server or a worker. Each worker's connection
// has a goroutine that reads and one that writes.
//
// server and httpapi import this; it imports event and token.
package agent
