// Package worker is the process that makes one recording: it reads packets of
// tracks from its input, makes frames of them (package frames) and has a Recorder
// make files of those. It says on its output how it goes, and knows nothing of
// rooms, servers or the network.
//
// Which Recorder it is depends on the job's kind. That of media as it is, Pass, is
// here: pass.go decides what goes into a file, the others write it.
//
// One goroutine does all the work, and another reads.
package worker
