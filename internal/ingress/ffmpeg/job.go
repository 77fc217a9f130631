package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// A Job is what a child is to do. The zero value is nothing.
type Job struct {
	// Sound and Pictures say what the input has.
	Sound, Pictures bool
	// PicturesAs and SoundAs say how they are encoded; of H264 and AAC or MP3 nothing
	// has to be said.
	PicturesAs, SoundAs Stream
	// Opus is how sound is encoded; nil: it is left out.
	Opus *Opus
	// Varies says that pictures may change their shape: then layers, which do not, have
	// black beside them.
	Varies bool
	// Layers are the encodings of pictures, the smallest first.
	Layers []Layer
	// LayersAs is what they are encoded to: H264, which is the default, or VP8.
	LayersAs flv.Codec
}

// Opus is how sound is encoded.
type Opus struct {
	Bitrate  int // bits a second
	Channels int // 1 or 2
}

// A Layer is one encoding of pictures.
type Layer struct {
	Width, Height int     // pixels, even; 0: as large as they come
	Bitrate       int     // bits a second
	FrameRate     float64 // at most so many a second; 0: as they come
}

// keyEvery is how often there is a key frame, in seconds: who comes later waits for
// one.
const keyEvery = 2

// MaxPixels is the area of the largest pictures that are decoded. What a picture of some
// hundred bytes says about its size would else take gigabytes.
const MaxPixels = 4096 * 2304

// limited are the arguments that have the decoders of an input keep to MaxPixels.
func limited(a []string) []string { return append(a, "-max_pixels", strconv.Itoa(MaxPixels)) }

// firstPipe is the descriptor of the first layer.
const firstPipe = 3

// args of the child.
func (j Job) args() []string {
	a := []string{
		"-hide_banner", "-loglevel", "error", "-nostats", "-nostdin",
		// One thread decodes: each further one holds back a picture.
		"-threads", "1",
		// The input begins with all that a decoder needs to know. No time to analyze it,
		// 0, would stand for five seconds.
		"-probesize", "32768", "-analyzeduration", "1", "-fpsprobesize", "0",
	}
	a = append(limited(a), "-copyts", "-f", j.format(), "-i", "pipe:0")
	if len(j.Layers) > 0 {
		a = append(a, "-filter_complex", j.filter())
	}
	for i, l := range j.Layers {
		// Times are those of the source, and not rounded to where its frame rate has them.
		a = append(a, "-map", fmt.Sprintf("[v%d]", i), "-fps_mode", "passthrough", "-enc_time_base", "1:1000")
		a = append(a, j.encoder(l)...)
		a = append(a, "-flush_packets", "1", fmt.Sprintf("pipe:%d", firstPipe+i))
	}
	if j.Opus != nil {
		a = append(a,
			// Gaps of the source are silence, so that sound stays where it belongs.
			"-map", "0:a:0", "-af", "aresample=48000:async=1",
			"-c:a", "libopus", "-ac", strconv.Itoa(max(j.Opus.Channels, 1)), "-b:a", strconv.Itoa(j.Opus.Bitrate), "-frame_duration", "20",
			"-f", "ogg", "-page_duration", "20000", "-flush_packets", "1", "pipe:1",
		)
	}
	return a
}

// encoder are the arguments for a layer, from the encoder to what the child writes.
func (j Job) encoder(l Layer) (a []string) {
	rate := strconv.Itoa(l.Bitrate)
	out := []string{"-flvflags", "no_duration_filesize", "-f", "flv"}
	if j.LayersAs == flv.VP8 {
		a = []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-auto-alt-ref", "0", "-error-resilient", "default", "-minrate", rate}
		out = []string{"-f", "ivf"}
	} else {
		a = []string{"-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-profile:v", "main", "-bf", "0", "-sc_threshold", "0"}
	}
	a = append(a,
		"-pix_fmt", "yuv420p", "-threads", "1", "-g", "600",
		"-force_key_frames", fmt.Sprintf("expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+%d))", keyEvery),
		"-b:v", rate, "-maxrate", rate, "-bufsize", rate,
	)
	return append(a, out...)
}

// format is what is written to the child.
func (j Job) format() string {
	if j.matroska() {
		return "matroska"
	}
	return "flv"
}

// filter makes the layers' pictures of those that come.
func (j Job) filter() string {
	var b strings.Builder
	b.WriteString("[0:v:0]")
	fps := 0.0
	for _, l := range j.Layers {
		fps = max(fps, l.FrameRate)
	}
	if fps > 0 { // variable 0 is when the next one is due, of which a clock's inaccuracy is forgiven
		fmt.Fprintf(&b, "select='if(gte(t,ld(0)-0.004),st(0,max(ld(0),t-1/%[1]g)+1/%[1]g)*0+1,0)',", fps)
	}
	fmt.Fprintf(&b, "split=%d", len(j.Layers))
	for i := range j.Layers {
		fmt.Fprintf(&b, "[s%d]", i)
	}
	for i, l := range j.Layers {
		size := "trunc(iw/2)*2:trunc(ih/2)*2"
		if l.Width > 0 {
			size = fmt.Sprintf("%d:%d", l.Width, l.Height)
		}
		if j.Varies && l.Width > 0 {
			size += fmt.Sprintf(":force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bilinear,pad=%d:%d:-1:-1", l.Width, l.Height)
		} else {
			size += ":flags=bilinear"
		}
		fmt.Fprintf(&b, ";[s%d]scale=%s,setsar=1[v%d]", i, size, i)
	}
	return b.String()
}
