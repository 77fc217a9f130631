package figures

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/histogram"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

const (
	// step is the pause between two looks at the node that are kept.
	step = 5 * time.Second
	// steps are kept: a quarter of an hour.
	steps = 180
)

// Node is the server as a process, at a moment. Counts are since its start.
type Node struct {
	At time.Time `json:"at"`
	// CPU is how many processors it kept busy since the look before this.
	CPU float64 `json:"cpu"`
	// Memory is resident, Heap of that in use by Go; bytes.
	Memory     uint64 `json:"memory"`
	Heap       uint64 `json:"heap"`
	Goroutines int    `json:"goroutines"`

	Rooms         int `json:"rooms"`
	Participants  int `json:"participants"`
	AudioTracks   int `json:"audioTracks"`
	VideoTracks   int `json:"videoTracks"`
	Subscriptions int `json:"subscriptions"`

	Connections int     `json:"connections"`
	Routes      []Route `json:"routes"`
	// In and Out are media from clients and to them.
	In  peer.Flow `json:"in"`
	Out peer.Flow `json:"out"`

	Log Log `json:"log"`
}

// Route is how many connections travel in a way.
type Route struct {
	Protocol  string `json:"protocol"`  // udp or tcp
	Candidate string `json:"candidate"` // host, srflx, prflx or relay
	Count     int    `json:"count"`
}

// Log is the event log.
type Log struct {
	First uint64 `json:"first"` // seq; the earliest that is kept
	Last  uint64 `json:"last"`
	Disk  uint64 `json:"disk"` // bytes
	// Waiting events are appended and not yet durable.
	Waiting int `json:"waiting"`
	// Commits were written, each with one sync. SyncMS is how long those since the
	// look before this took on average, SyncP99MS how long all but one in a hundred
	// took at most; 0 when there were none.
	Commits   uint64  `json:"commits"`
	SyncMS    float64 `json:"syncMs"`
	SyncP99MS float64 `json:"syncP99Ms"`
}

// Sources are the parts of the server.
type Sources struct {
	Rooms interface{ Stats() room.Stats }
	Media interface{ Traffic() peer.Traffic }
	Log   interface {
		First() uint64
		Last() uint64
		DiskUsage() uint64
		CommitTimes() histogram.Snapshot
	}
	// Waiting is how many events are not durable yet.
	Waiting func() int
}

// Watch looks at the node.
type Watch struct {
	sources Sources // immutable
	stop    chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	last    Node               // mu guards
	cpu     time.Duration      // mu guards; of the last look
	commits histogram.Snapshot // mu guards; of the last look
	history []Node             // mu guards; oldest first
}

// Start looks at the node every few seconds until Close.
func Start(s Sources) *Watch {
	w := &Watch{sources: s, stop: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// Close ends it and waits for that.
func (w *Watch) Close() {
	close(w.stop)
	<-w.done
}

func (w *Watch) run() {
	defer close(w.done)
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		w.keep()
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
	}
}

func (w *Watch) keep() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, w.look(time.Now()))
	if len(w.history) > steps {
		w.history = append(w.history[:0:0], w.history[len(w.history)-steps:]...)
	}
}

// Now returns the last look, or a new one when that is an Interval old.
func (w *Watch) Now() Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); now.Sub(w.last.At) >= Interval-Interval/20 {
		w.look(now)
	}
	return w.last
}

// History returns the last minutes, oldest first.
func (w *Watch) History() []Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Node(nil), w.history...)
}

// look notes and returns what the node is like. mu must be held.
func (w *Watch) look(now time.Time) Node {
	// Not by ReadMemStats, which stops the world.
	memory := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(memory)
	cpu, resident := process()
	if resident == 0 {
		resident = memory[1].Value.Uint64()
	}
	n := Node{At: now, Memory: resident, Heap: memory[0].Value.Uint64(), Goroutines: runtime.NumGoroutine()}
	passed := now.Sub(w.last.At)
	if !w.last.At.IsZero() && passed > 0 {
		n.CPU = (cpu - w.cpu).Seconds() / passed.Seconds()
	}
	rooms := w.sources.Rooms.Stats()
	n.Rooms, n.Participants, n.Subscriptions = rooms.Rooms, rooms.Participants, rooms.Subscriptions
	n.AudioTracks, n.VideoTracks = rooms.AudioTracks, rooms.VideoTracks
	traffic := w.sources.Media.Traffic()
	n.Connections, n.Routes = traffic.Connections, routesOf(traffic.Routes)
	n.In, n.Out = together(traffic.Audio.In, traffic.Video.In), together(traffic.Audio.Out, traffic.Video.Out)
	log := w.sources.Log
	commits := log.CommitTimes()
	n.Log = Log{First: log.First(), Last: log.Last(), Disk: log.DiskUsage(), Waiting: w.sources.Waiting(), Commits: commits.Count}
	n.Log.SyncMS, n.Log.SyncP99MS = between(w.commits, commits)
	w.last, w.cpu, w.commits = n, cpu, commits
	return n
}

func together(a, b peer.Flow) peer.Flow {
	return peer.Flow{
		Tracks: a.Tracks + b.Tracks, Packets: a.Packets + b.Packets, Bytes: a.Bytes + b.Bytes, Lost: a.Lost + b.Lost,
		NACKs: a.NACKs + b.NACKs, Resent: a.Resent + b.Resent, PLIs: a.PLIs + b.PLIs,
	}
}

// between returns the mean and the 99th percentile, in milliseconds, of what was
// observed between two snapshots. The latter is the bound of its bucket, or the
// mean if that is more.
func between(before, after histogram.Snapshot) (mean, p99 float64) {
	n := after.Count - before.Count
	if n == 0 {
		return 0, 0
	}
	mean = float64((after.Sum - before.Sum).Microseconds()) / 1000 / float64(n)
	for i, bound := range after.Bounds {
		within := after.Within[i]
		if i < len(before.Within) {
			within -= before.Within[i]
		}
		p99 = float64(bound.Microseconds()) / 1000
		if 100*within >= 99*n {
			break
		}
	}
	return mean, max(mean, p99)
}
