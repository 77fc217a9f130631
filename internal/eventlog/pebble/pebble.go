package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

var _ eventlog.Store = (*Store)(nil)

// format is the version of the keys and values; a store with a higher one is
// not opened.
const format = 1

// Options configure a Store; only Dir is required.
type Options struct {
	// Dir is the directory, which is made if it does not exist.
	Dir string
	// Logger defaults to one that discards.
	Logger *slog.Logger
	// FS is the file system, by default the machine's.
	FS vfs.FS
	// MemTableSize is how many bytes of the log are gathered in memory before
	// they go into a table file; up to four such pieces are. 16 MiB by default.
	MemTableSize int
}

// Store is the log in a directory.
type Store struct {
	db          *pebble.DB   // immutable
	compactions *compactions // immutable
	lock        *pebble.Lock // immutable
	dir         string       // immutable

	batches chan work // to be applied

	failOnce sync.Once
	failedc  chan struct{} // closed after err is set
	err      error

	scrubbing chan struct{} // holds what a Scrub at work has put there
	scrubs    sync.WaitGroup
	life      context.Context // until the database is closed
	closed    context.CancelFunc
}

// DiskUsage is what the store takes on the disk, in bytes.
func (s *Store) DiskUsage() uint64 { return s.db.Metrics().DiskSpaceUsage() }

// Open opens or makes the store in opts.Dir.
func Open(opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.FS == nil {
		var told sync.Once
		opts.FS = quietFS{vfs.Default, func(why error) {
			if errors.Is(why, errors.ErrUnsupported) {
				return // there is nothing to be done about it here
			}
			told.Do(func() {
				opts.Logger.Info("the event log is written without io_uring, which takes more of the processor: the system refuses it, "+
					"as containers do by default", "error", why)
			})
		}}
	}
	if opts.MemTableSize <= 0 {
		opts.MemTableSize = defaultMemTableSize
	}
	s := &Store{dir: opts.Dir, batches: make(chan work), failedc: make(chan struct{}), scrubbing: make(chan struct{}, 1)}
	s.life, s.closed = context.WithCancel(context.Background())
	opened := make(chan error, 1)
	go func() { opened <- s.open(opts) }()
	var err error
	select {
	case err = <-opened:
	case <-s.failedc: // a fatal error has parked the goroutine
		err = s.err
	}
	if err != nil {
		s.closed()
		return nil, fmt.Errorf("open event store in %s: %w", opts.Dir, damage(err))
	}
	go s.applying()
	return s, nil
}

// damage marks an error that says that files are damaged or missing.
func damage(err error) error {
	if err != nil && (pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) || malformed.MatchString(err.Error())) {
		return fmt.Errorf("%w: %w", eventlog.ErrDamaged, err)
	}
	return err
}

// malformed matches what Pebble says of damage that it does not mark as such. We
// have no WALs elsewhere: options that name a directory of them are damaged.
var malformed = regexp.MustCompile(`malformed|corrupt|invalid chunk|checksum|name from file|relevant WALs`)

func (s *Store) open(opts Options) error {
	if err := makeDir(opts.FS, opts.Dir); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(opts.Dir, opts.FS)
	if err != nil {
		if lockHeld(err) {
			return fmt.Errorf("%w (%v)", eventlog.ErrLocked, err)
		}
		return err
	}
	isNew, err := expect(opts.FS, opts.Dir)
	if err != nil {
		lock.Close()
		return err
	}
	cache := pebble.NewCache(cacheSize)
	defer cache.Unref()
	settings, late := s.options(opts, lock, cache), newCompactions()
	settings.Experimental.CompactionScheduler = late
	db, err := pebble.Open(opts.Dir, settings)
	if err != nil {
		late.abandon()
		lock.Close()
		return err
	}
	late.begin()
	err = checkFormat(db)
	if err == nil && isNew {
		err = born(opts.FS, opts.Dir)
	}
	if err != nil {
		db.Close()
		lock.Close()
		return err
	}
	s.db, s.compactions, s.lock = db, late, lock
	return nil
}

// lockHeld tells another holder of the lock from a lock file that cannot be made.
func lockHeld(err error) bool {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return false
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) ||
		strings.Contains(err.Error(), "lock held by current process")
}

// Sizes for a laptop: a few memtables of RAM at most, and few files.
const (
	cacheSize           = 16 << 20
	defaultMemTableSize = 16 << 20
	blockSize           = 16 << 10
)

func (s *Store) options(opts Options, lock *pebble.Lock, cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		FS:                 brittleFS{FS: opts.FS, fail: s.fail},
		Lock:               lock,
		Cache:              cache,
		Logger:             logger{slog: opts.Logger, fail: s.fail},
		FormatMajorVersion: pebble.FormatValueSeparation,
		MaxOpenFiles:       256,
		MemTableSize:       uint64(opts.MemTableSize),
		// Late compactions must not hold up writes: most of the log is written
		// in its order and read once.
		MemTableStopWritesThreshold: 4,
		L0StopWritesThreshold:       64,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				// A damaged block is met by its readers; the rest is served.
				if pebble.IsCorruptionError(err) {
					opts.Logger.Error("event store met a damaged file", "error", err)
					return
				}
				s.fail(err)
			},
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				opts.Logger.Error("event store met a damaged file", "error", info.Details)
			},
		},
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockSize
	}
	return o
}

// checkFormat reads the version of the keys and values, or writes it to a new
// store.
func checkFormat(db *pebble.DB) error {
	key := []byte{prefixMeta, 'f'}
	value, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return db.Set(key, binary.AppendUvarint(nil, format), pebble.Sync)
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	switch v, n := binary.Uvarint(value); {
	case n <= 0:
		return fmt.Errorf("format: %w", errMalformed)
	case v > format:
		return fmt.Errorf("%w: format %d, this version knows up to %d", eventlog.ErrNewerFormat, v, format)
	}
	return nil
}

// fail ends the store.
func (s *Store) fail(err error) {
	s.failOnce.Do(func() {
		s.err = err
		close(s.failedc)
	})
}

// work is an operation that somebody waits for.
type work struct {
	operation func() error
	done      chan error // has room for the result
}

// do runs the operation; a panic of Pebble's is an error.
func (w work) do() {
	defer func() {
		if p := recover(); p != nil {
			err, ok := p.(error)
			if !ok {
				err = fmt.Errorf("%v", p)
			}
			w.done <- fmt.Errorf("pebble panicked: %w", err)
		}
	}()
	w.done <- w.operation()
}

// await runs one operation and returns its error, or that of the store's end,
// which can leave the operation parked.
func (s *Store) await(operation func() error) error {
	return s.run(operation, func(w work) { go w.do() })
}

// run has start run the operation elsewhere.
func (s *Store) run(operation func() error, start func(work)) error {
	select {
	case <-s.failedc:
		return s.err
	default:
	}
	w := work{operation, make(chan error, 1)}
	start(w)
	select {
	case err := <-w.done:
		if err != nil {
			s.fail(err)
		}
		return err
	case <-s.failedc:
		return s.err
	}
}

// applying applies batches, on a goroutine that lasts and has the stack that it takes.
func (s *Store) applying() {
	for {
		select {
		case w := <-s.batches:
			w.do()
		case <-s.failedc:
			return
		case <-s.life.Done():
			return
		}
	}
}

// apply hands w to applying, or to a goroutine of its own if that has ended.
func (s *Store) apply(w work) {
	select {
	case s.batches <- w:
	case <-s.failedc:
	case <-s.life.Done():
		go w.do()
	}
}

// Apply writes the batch with one sync.
func (s *Store) Apply(b *eventlog.Batch) error {
	batch, err := s.encode(b)
	if err != nil {
		return fmt.Errorf("encode batch: %w", err)
	}
	if err := s.run(func() error { return s.db.Apply(batch, pebble.Sync) }, s.apply); err != nil {
		return fmt.Errorf("write to event store in %s: %w", s.dir, err)
	}
	return batch.Close()
}

func (s *Store) encode(b *eventlog.Batch) (*pebble.Batch, error) {
	size := 0
	for i := range b.Records {
		size += len(b.Records[i].Body) + len(b.Records[i].FullBody) + 512
	}
	batch := s.db.NewBatchWithSize(size)
	var key, value []byte
	var err error
	for i := range b.Records {
		r := &b.Records[i]
		key = appendEventKey(key[:0], r.Seq)
		if value, err = eventlog.AppendRecord(value[:0], r); err != nil {
			return nil, err
		}
		if err := batch.Set(key, value, nil); err != nil {
			return nil, err
		}
		if r.Room == "" {
			continue
		}
		key = appendRoomKey(key[:0], r.Room, r.Seq)
		value = append(binary.AppendUvarint(value[:0], r.RoomSeq), r.RoomSID...)
		if err := batch.Set(key, value, nil); err != nil {
			return nil, err
		}
	}
	for i := range b.Rewrites {
		key = appendEventKey(key[:0], b.Rewrites[i].Seq)
		if value, err = eventlog.AppendRecord(value[:0], &b.Rewrites[i]); err != nil {
			return nil, err
		}
		if err := batch.Set(key, value, nil); err != nil {
			return nil, err
		}
	}
	for _, e := range b.Index {
		key = appendOpenKey(key[:0], e.Thing)
		if e.Seq == 0 {
			err = batch.Delete(key, nil)
		} else {
			value = binary.AppendUvarint(value[:0], e.Opened)
			value = append(binary.AppendUvarint(value, e.Seq), e.Room...)
			err = batch.Set(key, value, nil)
		}
		if err != nil {
			return nil, err
		}
	}
	for k, v := range b.Cursors {
		key = append(append(key[:0], prefixCursor), k...)
		if v == nil {
			err = batch.Delete(key, nil)
		} else {
			err = batch.Set(key, v, nil)
		}
		if err != nil {
			return nil, err
		}
	}
	return batch, nil
}

// Close closes the database. One that has failed stays as it is, see the
// package documentation.
func (s *Store) Close() error {
	return s.await(func() error {
		err := s.db.Close()
		s.closed() // not before: see scrub
		s.scrubs.Wait()
		return errors.Join(err, s.lock.Close())
	})
}
