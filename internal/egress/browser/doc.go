// Package browser is the worker of recordings of web pages: it starts a Chromium
// that is installed, shows the page in one tab, and takes its picture and its sound
// from another, which encodes them.
//
// Browser is the worker's side: a mailbox of frames, and a worker.Recorder that
// makes files of them. One goroutine (session) leads the browser: it opens the two
// tabs, has the page load, and hears what the page says on its console. It speaks
// DevTools by a pair of pipes, so that no port is open. All that the page fetches
// goes through a proxy of this process, which dials what the guard allows.
//
// The browser is a process group of its own with a profile of its own; both are
// gone when the recording is, and the browser dies with this process.
package browser
