package wire

import "time"

// Report is a line that a worker says.
type Report struct {
	Kind   ReportKind `json:"kind"`
	Output int        `json:"output,omitempty"` // index in the job's
	Track  uint16     `json:"track,omitempty"`  // number; of Keyframe
	// Begun is when the first frame came, Unix nanoseconds; of Active and Done.
	Begun int64 `json:"begun,omitempty"`
	// File is of Opened and Closed.
	File *Made `json:"file,omitempty"`
	// Made is all that there is of each output; of Done.
	Made [][]Made `json:"made,omitempty"`
	// Lacks are of Done and Failed.
	Lacks
	// URL, or ID, is the destination that State and Error are of; of StreamState.
	URL   string `json:"url,omitempty"`
	ID    string `json:"id,omitempty"`
	State string `json:"state,omitempty"` // "active", "finished", "failed" or "retrying"
	// Error says why there is no file; of Failed and StreamState.
	Error string `json:"error,omitempty"`
}

// Lacks are what a recording has not.
type Lacks struct {
	// Missing is how much could not be recorded, in nanoseconds, and Filled how much
	// of the file is silence where nothing came.
	Missing time.Duration `json:"missing,omitempty"`
	Filled  time.Duration `json:"filled,omitempty"`
	// Dropped are pictures that were left out because the machine is too slow to encode
	// them. Missing has how long others are seen in their place.
	Dropped int64 `json:"dropped,omitempty"`
}

// Made is a file that was made.
type Made struct {
	Path  string        `json:"path"`
	Begun int64         `json:"begun,omitempty"` // Unix nanoseconds
	Plays time.Duration `json:"plays,omitempty"` // nanoseconds
	Bytes int64         `json:"bytes,omitempty"`
	Part  MadeAs        `json:"part,omitempty"`
}

// MadeAs is what a file of an output is.
type MadeAs string

// What files are. That of a recording is none of these.
const (
	Segment      MadeAs = "segment"
	SegmentInit  MadeAs = "init"
	Playlist     MadeAs = "playlist"
	LivePlaylist MadeAs = "live"
	Image        MadeAs = "image"
)

// ReportKind is what a worker says.
type ReportKind string

// What workers say.
const (
	Active      ReportKind = "active"   // the first media is on the disk, or sent
	Keyframe    ReportKind = "keyframe" // something is lost, please have one sent
	Opened      ReportKind = "opened"   // a file is begun
	Closed      ReportKind = "closed"   // a file is whole, on the disk, and changes no more
	StreamState ReportKind = "stream"   // a destination has another state
	Done        ReportKind = "done"     // all is whole, and on the disk
	Failed      ReportKind = "failed"   // it cannot go on; what there is may be repaired
)
