package ffmpeg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// An Input is what a Demuxer reads from.
type Input struct {
	URL string
	// Proxy is the URL of an HTTP proxy through which everything is fetched. The child
	// knows no TLS and no other way out.
	Proxy string
	// Options are of the protocol, names and values in turn.
	Options []string
	// EncodeVideo and EncodeAudio are for codecs that FLV does not know.
	EncodeVideo, EncodeAudio bool
}

// What a Demuxer may fail with, beside ErrFailed.
var (
	// ErrVideoCodec and ErrAudioCodec say that FLV does not know the codec.
	ErrVideoCodec = errors.New("video has to be encoded")
	ErrAudioCodec = errors.New("audio has to be encoded")
	// ErrNoMedia says that there is neither video nor audio.
	ErrNoMedia = errors.New("there is neither video nor audio")
)

// protocols are those that a child may use, and formats those that it may read: some
// open files and sockets that they are told of.
const (
	// No httpproxy: a playlist may name such a URL, and it opens a connection to
	// anywhere. No https and tls, which need it.
	httpProtocols = "http,tcp,crypto"
	srtProtocols  = "srt,udp"
	formats       = "hls,mov,matroska,webm,flv,mpegts,mpeg,ogg,mp3,aac,wav,flac,avi"
)

// args of the child.
func (in Input) args() []string {
	a := []string{"-hide_banner", "-loglevel", "level+info", "-nostats", "-nostdin"}
	if strings.HasPrefix(in.URL, "srt:") {
		a = append(a, "-protocol_whitelist", srtProtocols, "-format_whitelist", formats, "-fflags", "+nobuffer", "-analyzeduration", "500000")
	} else {
		// Timeouts are in microseconds.
		a = append(a, "-protocol_whitelist", httpProtocols, "-format_whitelist", formats, "-rw_timeout", "15000000")
		if path, _, _ := strings.Cut(in.URL, "?"); strings.HasSuffix(path, ".m3u8") {
			a = append(a, "-live_start_index", "-1")
		}
	}
	a = append(a, in.Options...)
	if in.EncodeVideo {
		a = limited(a)
	}
	a = append(a, "-i", in.URL, "-map", "0:V:0?", "-map", "0:a:0?", "-dn", "-sn", "-map_metadata", "-1", "-max_muxing_queue_size", "4096")
	if in.EncodeVideo {
		a = append(a, "-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-profile:v", "baseline",
			"-crf", "23", "-maxrate", "4M", "-bufsize", "4M", "-force_key_frames", "expr:gte(t,n_forced*2)",
			"-vf", "scale=trunc(min(iw\\,1920)/2)*2:-2")
	} else {
		a = append(a, "-c:v", "copy")
	}
	if in.EncodeAudio {
		a = append(a, "-c:a", "aac", "-b:a", "192k", "-ac", "2", "-ar", "48000")
	} else {
		a = append(a, "-c:a", "copy")
	}
	return append(a, "-flvflags", "no_duration_filesize+no_metadata", "-flush_packets", "1", "-f", "flv", "pipe:1")
}

// A Demuxer is a child that fetches from a URL and writes tags of FLV.
type Demuxer struct {
	cmd  *exec.Cmd
	tags *flv.Reader
	said *watcher
	once sync.Once
	err  error

	running *Children
}

// Open starts a child, which running counts. Close is needed.
func Open(path string, in Input, running *Children) (*Demuxer, error) {
	path, err := Find(path)
	if err != nil {
		return nil, err
	}
	d := &Demuxer{cmd: exec.Command(path, in.args()...), said: new(watcher), running: running}
	spawn.Detach(d.cmd)
	spawn.Bind(d.cmd)
	d.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	if in.Proxy != "" {
		d.cmd.Env = append(d.cmd.Env, "http_proxy="+in.Proxy)
	}
	d.cmd.Stderr = d.said
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.tags = flv.NewReader(out, maxTag)
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	spawn.Expendable(d.cmd)
	running.began(d.cmd)
	return d, nil
}

// Next returns the next tag, as flv.Reader does. After the last one it returns
// io.EOF, or why the child failed.
func (d *Demuxer) Next() (kind byte, at uint32, body []byte, err error) {
	kind, at, body, err = d.tags.Next()
	if err == nil {
		return kind, at, body, nil
	}
	if failed := d.Close(); failed != nil {
		err = failed
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, ErrFailed) && d.err == nil {
		err = io.EOF // what is there of a tag is not missed
	}
	return 0, 0, nil, err
}

// Live says that what is fetched has no end that is known.
func (d *Demuxer) Live() bool { return d.said.live() }

// Kill ends the child: Next fails.
func (d *Demuxer) Kill() { _ = d.cmd.Process.Kill() }

// Close returns when the child is gone, with why it failed. Whoever wants it gone
// kills it first.
func (d *Demuxer) Close() error {
	d.once.Do(func() {
		err := d.cmd.Wait()
		d.running.ended(d.cmd)
		if err != nil {
			d.err = d.said.failure(err)
		}
	})
	return d.err
}

// A watcher reads what a child says.
type watcher struct {
	mu      sync.Mutex
	line    []byte // mu guards; what is there of one
	endless bool   // mu guards
	cause   error  // mu guards
	last    string // mu guards; of the errors
}

// Write implements io.Writer.
func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range p {
		if c != '\n' && c != '\r' {
			if len(w.line) < maxSaid {
				w.line = append(w.line, c)
			}
			continue
		}
		w.read(string(w.line))
		w.line = w.line[:0]
	}
	return len(p), nil
}

func (w *watcher) read(line string) {
	switch {
	case strings.Contains(line, "Duration: N/A"):
		w.endless = true
	case strings.Contains(line, "Video codec") && strings.Contains(line, "not compatible with flv"):
		w.cause = ErrVideoCodec
	case strings.Contains(line, "Audio codec") && strings.Contains(line, "not compatible with flv"):
		w.cause = ErrAudioCodec
	case strings.Contains(line, "does not contain any stream"):
		w.cause = ErrNoMedia
	}
	if _, text, ok := strings.Cut(line, "[error] "); ok && text != "" {
		w.last = text
	}
	if _, text, ok := strings.Cut(line, "[fatal] "); ok && text != "" {
		w.last = text
	}
}

func (w *watcher) live() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.endless
}

func (w *watcher) failure(exit error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.cause != nil:
		return w.cause
	case w.last != "":
		return fmt.Errorf("%w: %s", ErrFailed, w.last)
	}
	return fmt.Errorf("%w: %w", ErrFailed, exit)
}
