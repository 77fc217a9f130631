package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/histogram"
)

// Options configure a Log; only Store is required.
type Options struct {
	// Store is the engine; the Log closes it.
	Store Store
	// Logger defaults to one that discards.
	Logger *slog.Logger
	// Ring is how many events may wait for the committer before Append waits;
	// 8192 by default.
	Ring int
	// CursorDelay is how long a saved cursor waits for others to ride with; 20 ms by
	// default.
	CursorDelay time.Duration
	// StallTimeout is how long one write may take before the log is failed, and
	// so the longest that Append and Sync can wait; 30 s by default.
	StallTimeout time.Duration
	// Retention is how long events are kept; forever by default.
	Retention Retention
}

// Log is the log; see the package documentation.
type Log struct {
	// immutable
	store        Store
	logger       *slog.Logger
	cursorDelay  time.Duration
	stallTimeout time.Duration
	wake         chan struct{} // capacity 1: there is something for the committer
	failed       chan struct{} // closed when the log has failed
	donec        chan struct{} // closed when the committer has ended
	commits      *histogram.Histogram

	retention Retention           // immutable
	kinds     map[event.Name]kind // immutable
	stopc     chan struct{}       // closed when Close begins
	tidyc     chan struct{}       // capacity 1: the quota is reached
	tidying   sync.WaitGroup
	ages      ages       // tidyLoop only
	rewriting sync.Mutex // held to change committed records

	// committer only
	ids      ids
	taken    uint64 // Seq of the last event taken from the ring
	sessions sessions
	taking   []event.Record // taken up with cursors
	weighed  uint64         // bytes of events with those being committed

	// reading is held shared around reads of the store, and taken by Close.
	reading sync.RWMutex

	first      atomic.Uint64 // see First
	forgotten  atomic.Uint64 // see Forgotten
	fullTracks atomic.Bool   // track events are frozen with the whole room and participant too

	mu sync.Mutex
	// mu guards all below
	ring        []event.Event // a circle of the events from head on
	head, count int
	woken       bool      // the committer is to look into the ring
	due         time.Time // when dueTimer has what is enqueued written; zero: it is not armed
	dueTimer    *time.Timer
	parting     bool       // an Append is waiting for room, ahead of all others
	space       *sync.Cond // the ring has room, parting has ended, or no more is accepted
	next        uint64     // Seq of the next event appended
	durable     uint64     // Seq of the last event committed
	tail        tail       // ends with that
	committed   chan struct{}
	err         error             // set once: ErrClosed, or wraps ErrFailed
	stopping    bool              // Close was called
	closing     bool              // nothing more is accepted
	full        bool              // at the quota
	bytes, gone uint64            // of events committed ever, and of those before First
	marked      uint64            // bytes at the last of marks
	marks       []mark            // for tidyLoop, which stamps them
	cursors     map[string][]byte // saved, waiting for a commit; nil deletes
	inFlight    map[string][]byte // being committed
	cursorTimer *time.Timer       // armed while cursors wait and none is due
	cursorsDue  bool
	rewrites    []event.Record // ride with the next cursors
	flushed     chan struct{}  // closed and replaced with each group
	// What was saved, taken up by the committer and stored, by count of calls.
	cursorSaved, cursorTaken, cursorStored uint64
	stats                                  Stats
}

// Open returns the log that opts.Store holds and starts its committer.
func Open(opts Options) (*Log, error) {
	l := &Log{
		store:        opts.Store,
		logger:       opts.Logger,
		cursorDelay:  opts.CursorDelay,
		stallTimeout: opts.StallTimeout,
		wake:         make(chan struct{}, 1),
		failed:       make(chan struct{}),
		donec:        make(chan struct{}),
		kinds:        kinds(),
		committed:    make(chan struct{}),
		flushed:      make(chan struct{}),
		commits: histogram.New(250*time.Microsecond, 500*time.Microsecond, time.Millisecond, 2*time.Millisecond, 5*time.Millisecond,
			10*time.Millisecond, 25*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond, 250*time.Millisecond, time.Second, 5*time.Second),
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if l.cursorDelay <= 0 {
		l.cursorDelay = 20 * time.Millisecond
	}
	if l.stallTimeout <= 0 {
		l.stallTimeout = 30 * time.Second
	}
	l.retention = opts.Retention
	if l.retention.HoldAge <= 0 {
		l.retention.HoldAge = 72 * time.Hour
	}
	if l.retention.Interval <= 0 {
		l.retention.Interval = time.Minute
	}
	l.stopc, l.tidyc = make(chan struct{}), make(chan struct{}, 1)
	if opts.Ring <= 0 {
		opts.Ring = 8192
	}
	l.ring = make([]event.Event, opts.Ring)
	l.space = sync.NewCond(&l.mu)
	l.first.Store(1)

	last, err := l.resume()
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	if last, err = l.loadAges(last); err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	l.weighed = l.bytes
	l.next = last + 1
	l.durable = last
	l.taken = last
	if l.sessions, err = newSessions(l.store); err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	if err := l.loadHistory(last); err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	l.cursorTimer = time.AfterFunc(time.Hour, l.flushCursors)
	l.cursorTimer.Stop()
	l.dueTimer = time.AfterFunc(time.Hour, l.Commit)
	l.dueTimer.Stop()
	go l.commitLoop()
	if l.retention.on() {
		l.tidying.Add(1)
		go l.tidyLoop()
	}
	return l, nil
}

// resume returns the Seq of the last record, and prepares to go on after it.
func (l *Log) resume() (uint64, error) {
	last, err := l.store.Last()
	if corrupt, ok := errors.AsType[*CorruptError](err); ok {
		// It keeps its place; its id is lost, and with it only the promise that
		// ids rise should the clock have been set back.
		l.logger.Error("the last event in the log is damaged", "seq", corrupt.Seq, "error", err)
		return corrupt.Seq, nil
	}
	if err != nil || last.Seq == 0 {
		return 0, err
	}
	id, err := uuid.Parse(last.ID)
	if err != nil {
		return 0, fmt.Errorf("id of record %d: %w", last.Seq, err)
	}
	l.ids.resume(id)
	earliest, err := l.store.Read("", 0, 1)
	if len(earliest) == 1 {
		l.first.Store(earliest[0].Seq)
	} else if !errors.Is(err, ErrCorrupt) {
		return 0, fmt.Errorf("read the earliest record: %w", err)
	}
	return last.Seq, nil
}

// Failed is closed when the log has failed; Err tells why. The owner must stop
// the process: a room whose events are refused has no place in the log.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err returns nil while the log works, ErrClosed after Close, or the failure.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close commits what was appended and saved before it, then closes the store.
// It returns the failure of a failed log, and ctx's error if the store does not
// finish in time; then the store stays open.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.stopping {
		l.stopping = true
		close(l.stopc)
	}
	l.mu.Unlock()

	closed := make(chan error, 1)
	go func() {
		l.tidying.Wait() // it saves where it is
		l.mu.Lock()
		l.closing = true
		l.space.Broadcast()
		l.mu.Unlock()
		l.signal()
		<-l.donec
		l.reading.Lock()
		defer l.reading.Unlock()
		closed <- l.closeStore()
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("close event log: %w", ctx.Err()), l.Err())
	}
}

// closeStore closes the store once; l.reading must be held.
func (l *Log) closeStore() error {
	l.mu.Lock()
	err := l.err
	if err == nil {
		l.end(ErrClosed)
	}
	l.mu.Unlock()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	if cerr := l.store.Close(); cerr != nil && err == nil {
		err = fmt.Errorf("close event log: %w", cerr)
	}
	return err
}

// fail puts the log into its failed state, unless it has ended already.
func (l *Log) fail(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.logger.Error("event log failed", "error", cause, "durable", l.durable, "lost", l.next-1-l.durable)
	l.end(fmt.Errorf("%w: %w", ErrFailed, cause))
	close(l.failed)
}

// end sets err and wakes everybody; l.mu must be held.
func (l *Log) end(err error) {
	l.err = err
	l.cursorTimer.Stop()
	l.dueTimer.Stop()
	close(l.committed)
	close(l.flushed)
	l.space.Broadcast()
	l.signal()
}

// signal tells the committer that there is something to do.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
