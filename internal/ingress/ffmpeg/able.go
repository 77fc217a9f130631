package ffmpeg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// LackError says that the ffmpeg at hand was built without something. Its text is shown
// to people.
type LackError struct {
	Path string // of the program
	What string // such as "encoder for VP8 (libvpx)"
}

// Error names what is not there.
func (e *LackError) Error() string {
	return fmt.Sprintf("the ffmpeg of the server (%s) has no %s; that of Debian has it", e.Path, e.What)
}

// ErrorCode is that of what has to be put right first, as Twirp spells it.
func (e *LackError) ErrorCode() string { return "failed_precondition" }

// askPatience bounds what a program may take to say what it can.
const askPatience = 30 * time.Second

// Able says why the program of that name, "" for ffmpeg in the path, cannot do a job:
// ErrMissing, or a *LackError. What any ffmpeg for this purpose has is not asked for,
// which takes time: it is what H264 and Opus are encoded with, and the usual decoders.
func Able(ctx context.Context, name string, j Job) error {
	path, err := Find(name)
	if err != nil {
		return err
	}
	for _, want := range j.needs() {
		has, err := lists(ctx, path, want.list)
		if err != nil {
			return err
		}
		if !has[want.name] {
			return &LackError{path, want.what}
		}
	}
	return nil
}

// part is something that not every ffmpeg has.
type part struct{ list, name, what string }

func (j Job) needs() (all []part) {
	if len(j.Layers) > 0 && j.LayersAs == flv.VP8 {
		all = append(all, part{"-encoders", "libvpx", "encoder for VP8 (libvpx)"})
	}
	if j.Pictures && j.PicturesAs.Codec == flv.H265 {
		all = append(all, part{"-decoders", "hevc", "decoder for H265 (hevc)"})
	}
	return all
}

// told is what programs have said.
var told = struct {
	sync.Mutex
	of map[question]map[string]bool
}{of: make(map[question]map[string]bool)}

// question is what is asked of a program, until it is replaced.
type question struct {
	path, list string
	size       int64
	changed    time.Time
}

// lists are the names that a program lists.
func lists(ctx context.Context, path, list string) (map[string]bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, ErrMissing
	}
	q := question{path, list, info.Size(), info.ModTime()}
	told.Lock()
	has := told.of[q]
	told.Unlock()
	if has != nil {
		return has, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-hide_banner", list)
	cmd.WaitDelay = time.Second // its children may hold its output
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", ErrFailed, path, list, err)
	}
	has = listed(string(out))
	told.Lock()
	defer told.Unlock()
	told.of[q] = has
	return has, nil
}

// listed are the names in a list of codecs: flags of six letters, a name, and what it is.
func listed(out string) map[string]bool {
	names := make(map[string]bool)
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 1 && len(words[0]) == 6 && words[1] != "=" {
			names[words[1]] = true
		}
	}
	return names
}
