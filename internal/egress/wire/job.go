package wire

import (
	"net/netip"
	"time"
)

// Kind is what kind of worker a job needs.
type Kind string

// The kinds of workers.
const (
	// Pass puts media into files as it is.
	Pass Kind = "pass"
	// Mix decodes sound, mixes it, and encodes it again or hands on its samples.
	Mix Kind = "mix"
	// Encode decodes, lays out, mixes and encodes anew.
	Encode Kind = "encode"
	// Browse encodes what a browser shows.
	Browse Kind = "browse"
)

// Job is what a worker has to do.
type Job struct {
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// Audio and Video say what is to come, whether there is any of it yet or not.
	Audio   bool     `json:"audio,omitempty"`
	Video   bool     `json:"video,omitempty"`
	Outputs []Output `json:"outputs"`
	// Encoding is nil for media as it is.
	Encoding *Encoding `json:"encoding,omitempty"`
	// Layout, of which only Encode and Browse have any, is that of the request.
	Layout string `json:"layout,omitempty"`
	// Plain has one picture at a time, without a name: it is no room's.
	Plain bool `json:"plain,omitempty"`
	// URL is the page of Browse. Await has it say when the recording begins.
	URL     string  `json:"url,omitempty"`
	Await   bool    `json:"await,omitempty"`
	Browser Browser `json:"browser,omitzero"`
	// FFmpeg is the program of what is encoded anew; empty: the worker looks for it.
	FFmpeg FFmpeg `json:"ffmpeg,omitzero"`
	// Allow are the private networks that pages and streams may reach.
	Allow []netip.Prefix `json:"allow,omitempty"`
	// Stereo has the tracks of which Side says so on one side each.
	Stereo bool `json:"stereo,omitempty"`
	// Journal is a file to which a worker adds the path of each file before it makes
	// it, one a line; see Note. It is how the server finds them if both die.
	Journal string `json:"journal"`
}

// NeedsStudio says whether an output of a page is of what no browser encodes, or goes
// where files do not: AAC, MP3, MPEG-TS, streams and images.
func (j *Job) NeedsStudio() bool {
	if j.Encoding != nil && (j.Encoding.AudioCodec == "AAC" || j.Encoding.AudioCodec == "AC_MP3") {
		return true
	}
	for _, o := range j.Outputs {
		if o.Kind == Stream || o.Kind == Images || o.Kind == Segments && o.TS || o.Format == ".mp3" || o.Format == ".m4a" {
			return true
		}
	}
	return false
}

// FFmpeg is an ffmpeg, and what it can: a worker that had to ask it would begin later.
type FFmpeg struct {
	Path string   `json:"path,omitempty"`
	Can  []string `json:"can,omitempty"` // as ffmpeg.Program.Abilities has it
}

// Browser is that of Browse.
type Browser struct {
	// Program is asked for by the configuration; empty: one that is in PATH.
	Program string `json:"program,omitempty"`
	// Memory is how much it may take, in bytes; 0: as much as there is.
	Memory int64 `json:"memory,omitempty"`
	// Own are the addresses of the server itself, which pages may reach always.
	Own []string `json:"own,omitempty"`
}

// OutputKind is what an output is.
type OutputKind string

// The kinds of outputs.
const (
	File     OutputKind = "file"
	Segments OutputKind = "segments"
	Images   OutputKind = "images"
	Stream   OutputKind = "stream"
	Socket   OutputKind = "socket"
)

// ImageExt is the extension of images.
const ImageExt = ".jpeg"

// Output is one thing that a worker makes. Paths are absolute, and their
// directories are there.
type Output struct {
	Kind OutputKind `json:"kind"`
	// Path is that of the file without its extension, or what the names of segments
	// and images begin with. Format is the extension that is asked for, "" for what
	// fits the media best.
	Path   string `json:"path,omitempty"`
	Format string `json:"format,omitempty"`

	// Of segments: the lists, "" for none; how long each is; whether their names end
	// with the time and not with a number; whether they are of MPEG-TS.
	Playlist     string        `json:"playlist,omitempty"`
	LivePlaylist string        `json:"livePlaylist,omitempty"`
	Length       time.Duration `json:"length,omitempty"` // nanoseconds; of images, from one to the next
	Timestamps   bool          `json:"timestamps,omitempty"`
	TS           bool          `json:"ts,omitempty"`
	// Overwrite has one image only, the newest. Width and Height are of images, 0 for
	// that of the picture.
	Overwrite bool `json:"overwrite,omitempty"`
	Width     int  `json:"width,omitempty"`
	Height    int  `json:"height,omitempty"`

	// Destinations are of streams, with their keys; of a socket there is one.
	Destinations []Destination `json:"destinations,omitempty"`
}

// Destination is where a stream goes.
type Destination struct {
	ID  string `json:"id,omitempty"` // of the request's
	URL string `json:"url"`
	// Address is where to connect to, if it was looked up already because not every
	// address is allowed: host and port.
	Address string `json:"address,omitempty"`
}

// Encoding is how to encode. All values are set.
type Encoding struct {
	Width, Height, Framerate   int
	VideoCodec, AudioCodec     string // as the API spells them
	VideoBitrate, AudioBitrate int    // kilobits a second
	AudioFrequency             int    // hertz
	KeyFrameInterval           float64
}

// Track is one that packets come of. Its number is new for each, also if somebody
// publishes the same again.
type Track struct {
	Number    uint16 `json:"number"`
	MimeType  string `json:"mimeType"`
	ClockRate uint32 `json:"clockRate"` // hertz
	Channels  int    `json:"channels,omitempty"`

	Sid      string `json:"sid,omitempty"`
	Identity string `json:"identity,omitempty"`
	Name     string `json:"name,omitempty"`   // of the participant, to be shown
	Source   string `json:"source,omitempty"` // in lower case, as "camera"
	Muted    bool   `json:"muted,omitempty"`
	Width    int    `json:"width,omitempty"`
	Height   int    `json:"height,omitempty"`
	// Side is where it is heard: "", "left" or "right".
	Side string `json:"side,omitempty"`
}

// Control changes a job while it runs.
type Control struct {
	Layout  string        `json:"layout,omitempty"`
	Add     []Destination `json:"add,omitempty"`
	Remove  []string      `json:"remove,omitempty"`  // URLs, or ids of destinations
	Speaker []string      `json:"speaker,omitempty"` // identities, loudest first; nil for no change
}
