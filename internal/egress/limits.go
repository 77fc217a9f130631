package egress

import (
	"os"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Limits bound jobs. The zero value has none.
type Limits struct {
	// Jobs is how many may run at once.
	Jobs int
	// CPU is the load of the machine's processors, from 0 to 1, from which on no job is
	// begun. One that runs is never ended for that.
	CPU float64
	// Duration and Size (bytes of all files) end a job.
	Duration time.Duration
	Size     int64
	// Outputs end one that has an output of the kind, after a time, and FileSize (bytes)
	// one whose files are so large, without segments and images.
	Outputs  map[wire.OutputKind]time.Duration
	FileSize int64
}

// bounds are what ends a job of these outputs: its time, the size of its files, and of
// all that it makes; 0 is never.
func (l *Limits) bounds(outputs []wire.Output) (after time.Duration, files, all int64) {
	after = l.Duration
	for _, o := range outputs {
		if d := l.Outputs[o.Kind]; d > 0 && (after == 0 || d < after) {
			after = d
		}
	}
	return after, l.FileSize, l.Size
}

// lookEvery is how often a job is held against its limits.
const lookEvery = time.Second

// limits is when to look whether a job is at its limits, nil for never.
func (j *job) limits() (look <-chan time.Time, stop func()) {
	if after, files, all := j.s.opts.Limits.bounds(j.outputs); after == 0 && files == 0 && all == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(lookEvery)
	return t.C, t.Stop
}

// atLimit says whether a job is to end. Its time counts from the first media.
func (j *job) atLimit() bool {
	after, most, mostOfAll := j.s.opts.Limits.bounds(j.outputs)
	j.s.mu.Lock()
	info := j.info
	j.s.mu.Unlock()
	files := int64(0)
	for _, f := range info.FileResults {
		if stat, err := os.Stat(f.Location); err == nil {
			files += stat.Size()
		}
	}
	return after > 0 && j.age(firstMedia(info), time.Now()) >= after ||
		most > 0 && files >= most || mostOfAll > 0 && files+j.closed >= mostOfAll
}

// age is how much time has passed since the first media came, which was at that time in
// Unix nanoseconds. A step of the clock since it was asked first does not count.
func (j *job) age(first int64, now time.Time) time.Duration {
	if j.from.IsZero() || first != j.first {
		j.first, j.from = first, now.Add(-max(now.Sub(time.Unix(0, first)), 0))
	}
	return now.Sub(j.from)
}

// firstMedia is when the first media came to any output, Unix nanoseconds; when the job
// was asked for while that is not known.
func firstMedia(info *livekit.EgressInfo) (first int64) {
	take := func(at int64) {
		if at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	for _, f := range info.FileResults {
		take(f.StartedAt)
	}
	for _, s := range info.SegmentResults {
		take(s.StartedAt)
	}
	for _, s := range info.StreamResults {
		take(s.StartedAt)
	}
	for _, i := range info.ImageResults {
		take(i.StartedAt)
	}
	if first == 0 {
		return info.StartedAt
	}
	return first
}

// admit says why one more job may not begin. One that may has its place until begun is
// called.
func (s *Service) admit(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.full(j.kind, j.taking.size); err != nil {
		return err
	}
	s.starting[j] = true
	return nil
}

// begun says that an admitted job is among the others, or has failed to begin.
func (s *Service) begun(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.starting, j)
}

// pageMemory is about how much a browser takes, in bytes, with a page that takes little.
const pageMemory = 400 << 20

// full says why no job more of a kind and a size may begin; mu must be held.
func (s *Service) full(kind wire.Kind, size float64) error {
	l := s.opts.Limits
	running := len(s.starting)
	var fresh float64 // processors that jobs will take that the meter has not seen yet
	for j := range s.starting {
		fresh += s.costs.of(j.kind, j.taking.size)
	}
	now := time.Now()
	for _, j := range s.jobs {
		if j.runs() {
			running++
			fresh += s.coming(j, now)
		}
	}
	if l.Jobs > 0 && running >= l.Jobs {
		return refuse(ResourceExhausted, "%d recordings run, and egress.max_jobs is %d: try again when one has ended", running, l.Jobs)
	}
	if kind == wire.Browse && s.free != nil {
		if free, ok := s.free(); ok && free < pageMemory {
			return refuse(ResourceExhausted, "%d MiB of memory are left, and a page takes %d or more: try again later", free>>20, pageMemory>>20)
		}
	}
	if s.meter == nil {
		return nil
	}
	load, processors := s.meter.load()
	load += fresh / float64(processors)
	if load >= l.CPU {
		return refuse(ResourceExhausted, "the machine is busy at %.0f %% of its %d processors, and egress.max_cpu is %.0f: try again later",
			100*min(load, 1), processors, 100*l.CPU)
	}
	// Alone it may take what there is; beside others it must not take what they need.
	takes := s.costs.of(kind, size)
	if running > 0 && load+takes/float64(processors) > max(l.CPU, 1) {
		return refuse(ResourceExhausted, "the machine is busy at %.0f %% of its %d processors, others are being recorded, and this takes about %.1f processors more: try again later",
			100*load, processors, takes)
	}
	return nil
}
