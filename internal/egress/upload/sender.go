package upload

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
)

const (
	// firstPause and longestPause are those between two tries.
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// giveUp is how long after the recording's end a file is tried.
	giveUp = 7 * 24 * time.Hour
	// lastWord is how long a try that keeps the end from being told may send nothing.
	lastWord = 30 * time.Second
	// stalled is how long any other try may: a store that takes nothing keeps a slot
	// from the others no longer.
	stalled = time.Minute
)

// Options are what a Sender needs. All but Backup are required.
type Options struct {
	// Open returns the store of a target.
	Open func(storage.Target) (storage.Store, error)
	// Save keeps the parcel: durably no later than what is appended to the log
	// next. It returns how many bytes that takes.
	Save func(Parcel) (bytes int)
	// Conclude is called once after the end, when every file is in its place or is
	// not going to be in time. What it returns is sent as the last, before Settled.
	Conclude func(Parcel) []File
	// Content is what may be seen of a file that changes, by what is in its store: nil
	// for nothing yet. Shown is told where it is when the store has it. Both are only
	// asked for what is followed; see Follow.
	Content func(Parcel, File) ([]byte, error)
	Shown   func(f File, location string)
	// Settled is called once: the recording's end may be told, with the locations of
	// the parcel. It was saved before with Told set.
	Settled func(Parcel)
	// Patience is how long the end may wait for a store that takes nothing. Who sends
	// all the while, or got a file through, is waited for.
	Patience time.Duration
	// Slots is shared by senders: each upload takes one.
	Slots  chan struct{}
	Logger *slog.Logger
}

// Sender sends one parcel.
type Sender struct {
	opts   Options // immutable
	cancel context.CancelFunc
	donec  chan struct{}
	wakec  chan struct{} // has an element when there is something new

	mu      sync.Mutex
	parcel  Parcel
	cut     context.CancelFunc // ends the try that runs; nil without one
	sends   bool               // that has a slot
	due     *time.Timer        // when the end has waited for long enough; nil once it is over
	moved   time.Time          // when a file got through last, or part of one was read
	saved   time.Time          // when the parcel was
	bytes   int64              // that were kept then
	unsaved bool               // it has changed since
	live    []*live            // files that are sent anew when they have changed

	// the goroutine's
	primary map[int]storage.Store // by number of the target
	backup  storage.Store
	anew    map[int]bool // whether a target lets names be written anew, where that is known
	failing map[int]bool // targets that failed in this round
	fails   int          // tries in a row
	through time.Time    // when a file got through, or it was begun
	ended   bool         // it has noticed that no more files come
	// hopeless says that the store refuses: the end is not held up for it.
	hopeless bool
}

// Start begins, or goes on, to send a parcel.
func Start(p Parcel, o Options) *Sender {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sender{opts: o, cancel: cancel, donec: make(chan struct{}), wakec: make(chan struct{}, 1), parcel: p.clone(), moved: time.Now(),
		primary: make(map[int]storage.Store), failing: make(map[int]bool), anew: make(map[int]bool)}
	if s.parcel.Ended.After(s.moved) {
		s.parcel.Ended = s.moved // the machine's clock was set back since: nobody waits for that
	}
	s.save()
	if !p.Ended.IsZero() && !p.Told {
		s.due = time.AfterFunc(o.Patience, s.overdue)
	}
	go s.run(ctx)
	return s
}

// Add adds files that are whole. One that is there already stays as it is.
func (s *Sender) Add(files ...File) {
	s.change(func(p *Parcel) {
		p.add(files)
		for _, l := range s.live {
			if f := p.File(l.Path); f != nil {
				f.Outdated = l.taken
			}
		}
	})
}

// Offer is Add of what will be added once more at the end: it is sent now, and need
// not be kept before.
func (s *Sender) Offer(files ...File) {
	s.note(func(p *Parcel) { p.add(files) })
}

// Finish says that no more come: from then on Patience counts.
func (s *Sender) Finish() {
	s.change(func(p *Parcel) {
		if p.Ended.IsZero() {
			p.Ended, s.moved = time.Now(), time.Now()
			s.due = time.AfterFunc(s.opts.Patience, s.overdue)
		}
	})
}

// overdue cuts short tries that send nothing, or wait for a slot, until the end is told.
func (s *Sender) overdue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due == nil || s.parcel.Told {
		return
	}
	if idle := time.Since(s.moved); idle < lastWord && s.cut != nil && s.sends {
		s.due.Reset(lastWord - idle)
		return
	}
	if s.cut != nil {
		s.cut()
	}
	s.due.Reset(lastWord)
	s.wake()
}

func (s *Sender) wake() {
	select {
	case s.wakec <- struct{}{}:
	default:
	}
}

// deadline is when the end is told whatever is not in the store by then.
func (s *Sender) deadline(p *Parcel) time.Time {
	return latest(p.Ended, s.through).Add(s.opts.Patience)
}

// Close ends the Sender as it is. What was saved goes on at the next Start.
func (s *Sender) Close() {
	s.cancel()
	<-s.donec
}

// Done is closed when nothing is left to do.
func (s *Sender) Done() <-chan struct{} { return s.donec }

// Parcel is how it stands.
func (s *Sender) Parcel() Parcel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parcel.clone()
}

func (s *Sender) run(ctx context.Context) {
	defer close(s.donec)
	defer s.cancel()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.due != nil {
			s.due.Stop()
			s.due = nil
		}
		if s.unsaved {
			s.save()
		}
	}()
	s.through = time.Now()
	for ctx.Err() == nil {
		p := s.Parcel()
		now := time.Now()
		next := nextFile(&p, s.failing)
		l, when := s.dueLive(&p, next < 0, now)
		if l != nil {
			s.sendLive(ctx, l)
			continue
		}
		if next < 0 && len(s.failing) > 0 {
			s.rest(ctx, &p)
			continue
		}
		s.ended = s.ended || !p.Ended.IsZero()
		due := !p.Ended.IsZero() && (s.hopeless || next < 0 || !now.Before(s.deadline(&p)))
		switch {
		case due && !p.Told:
			s.settle(ctx)
		case next < 0 && p.Told:
			return
		case p.Over(now):
			s.opts.Logger.Error("recording is not uploaded: given up; its files stay here", "file", p.Files[next].Path, "store", p.Targets[p.Files[next].To], "problem", p.Files[next].Problem)
			return
		case next < 0:
			s.idle(ctx, when)
		default:
			err := s.send(ctx, next, &p, false)
			if err == nil {
				s.fails, s.through = 0, time.Now()
				s.changed("")
				continue
			}
			if p.Told && p.Backup != nil && s.send(ctx, next, &p, true) == nil {
				continue
			}
			s.hopeless = s.hopeless || errors.Is(err, storage.ErrRefused)
			s.failing[p.Files[next].To] = true
		}
	}
}

// rest waits after a round in which something failed.
func (s *Sender) rest(ctx context.Context, p *Parcel) {
	until := time.Now().Add(pause(s.fails))
	s.fails++
	waiting := !p.Ended.IsZero() && !p.Told
	if at := s.deadline(p); waiting && at.Before(until) {
		until = at
	}
	if !s.hopeless || !waiting {
		s.sleep(ctx, until)
	}
	clear(s.failing)
	if !waiting {
		s.hopeless = false
	}
}

// nextFile is the first that is only here and whose target is none of those, -1 if
// there is none.
func nextFile(p *Parcel, but map[int]bool) int {
	for i := range p.Files {
		if p.Files[i].Where == Here && !but[p.Files[i].To] {
			return i
		}
	}
	return -1
}

// pause is how long to wait after that many failures and one more: twice as long each
// time, and not all at once.
func pause(fails int) time.Duration {
	d := min(firstPause<<min(fails, 20), longestPause)
	return d/2 + rand.N(d/2+1)
}

// idle waits for something new, or for a time, zero for none.
func (s *Sender) idle(ctx context.Context, until time.Time) {
	var at <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		at = t.C
	}
	select {
	case <-ctx.Done():
	case <-at:
	case <-s.wakec:
	}
}

// sleep waits for a time, or for the end if it has to be told before.
func (s *Sender) sleep(ctx context.Context, until time.Time) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			return
		case <-s.wakec:
			// A file more is no reason to ask a store sooner that does not answer; the
			// end may be, for it can be due.
			if p := s.Parcel(); !p.Ended.IsZero() && !s.ended {
				s.ended, s.fails = true, 0 // now it is worth a try
				return
			} else if s.hopeless && !p.Ended.IsZero() && !p.Told {
				return
			} else if !p.Ended.IsZero() && !p.Told && s.deadline(&p).Before(until) {
				until = s.deadline(&p)
				t.Reset(time.Until(until))
			}
		}
	}
}

// send tries one file, to the target or to the backup.
func (s *Sender) send(ctx context.Context, i int, p *Parcel, toBackup bool) (err error) {
	stop := ctx
	ctx, over, err := s.begin(ctx, stalled)
	if err != nil {
		return err
	}
	defer over()
	f, where := p.Files[i], InStore
	target, state := p.Targets[f.To], f.State
	if toBackup {
		where, target, state = InBackup, *p.Backup, f.BackupState
	}
	defer func() {
		if errors.Is(err, fs.ErrNotExist) {
			where, err = Gone, nil
		}
		s.note(func(p *Parcel) {
			s.moved = time.Now()
			if err == nil {
				p.Files[i].Where, p.Files[i].State, p.Files[i].BackupState = where, "", ""
			} else if !toBackup && stop.Err() == nil {
				if errors.Is(err, context.Canceled) {
					err = errStalled
				}
				p.Files[i].Problem, p.Files[i].Refused = err.Error(), errors.Is(err, storage.ErrRefused)
			}
		})
		level := slog.LevelDebug
		if err != nil {
			level = slog.LevelWarn
		}
		s.opts.Logger.Log(context.WithoutCancel(ctx), level, "file of a recording sent", "file", f.Path, "store", target, "error", err)
	}()
	store, err := s.store(p, f.To, toBackup)
	if err != nil {
		return err
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	return store.Upload(ctx, storage.Object{
		Name: target.Name(f.Name), ContentType: f.ContentType, Size: stat.Size(), Body: &body{file, s}, State: state, Progress: s.progress,
		Save: func(state string) {
			s.set(func(p *Parcel) {
				if toBackup {
					p.Files[i].BackupState = state
				} else {
					p.Files[i].State = state
				}
			}, stat.Size())
		},
	})
}

// store is that of a target, or the backup.
func (s *Sender) store(p *Parcel, to int, backup bool) (store storage.Store, err error) {
	switch {
	case !backup && s.primary[to] == nil:
		s.primary[to], err = s.opts.Open(p.Targets[to])
	case backup && s.backup == nil:
		s.backup, err = s.opts.Open(*p.Backup)
	}
	if backup {
		return s.backup, err
	}
	return s.primary[to], err
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// settle has the end told: what is not in the store goes into the backup, if that
// takes it, and what describes the files comes last.
func (s *Sender) settle(ctx context.Context) {
	if s.Parcel().Backup != nil {
		s.toBackup(ctx)
	}
	if p := s.Parcel(); !p.Concluded && ctx.Err() == nil {
		more := s.opts.Conclude(p)
		s.change(func(p *Parcel) { p.Files, p.Concluded = append(p.Files, more...), true })
		p = s.Parcel()
		for i := len(p.Files) - len(more); i < len(p.Files); i++ {
			if s.hopeless || s.fails > 0 || s.send(ctx, i, &p, false) != nil {
				if p.Backup != nil {
					_ = s.send(ctx, i, &p, true)
				}
			}
		}
	}
	if ctx.Err() != nil {
		return // the next start does
	}
	s.change(func(p *Parcel) {
		p.Told = true
		for i := range p.Files {
			p.Files[i].Keep = p.Files[i].Where == Here
		}
	})
	s.opts.Settled(s.Parcel())
}

// toBackup tries the backup once for each file that is here.
func (s *Sender) toBackup(ctx context.Context) {
	p := s.Parcel()
	for i := range p.Files {
		if p.Files[i].Where == Here && ctx.Err() == nil {
			if s.send(ctx, i, &p, true) != nil {
				return
			}
		}
	}
}
