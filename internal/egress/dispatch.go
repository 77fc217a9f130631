package egress

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// dispatch is how what a job makes gets to stores. Its fields are under Service.mu
// but for the sender, which has a lock of its own.
type dispatch struct {
	sender *upload.Sender // nil if everything stays here
	to     []int          // by output: the number of its target, -1 if it stays here
	// final is the info of the job's end, with what is here; it is told when the
	// files are where they are to be, and until then the job is ending.
	final *livekit.EgressInfo
}

// uploadSlots is how many files are sent at a time.
const uploadSlots = 4

// uploadPrefix is that of the keys of kept parcels.
const uploadPrefix = "egress/upload/"

func uploadKey(id string) string { return uploadPrefix + id }

// openDispatch begins to send what a job makes, if something of it goes elsewhere;
// Service.mu must be held. The parcel is kept before the job's first event.
func (j *job) openDispatch() {
	if len(j.targets) > 0 {
		j.sendParcel(upload.Parcel{Targets: j.targets, Backup: j.s.opts.Backup})
		j.followLive()
	}
}

// sendParcel starts a sender, and what cleans up after it; Service.mu must be held.
func (j *job) sendParcel(p upload.Parcel) {
	s := j.s
	sender := upload.Start(p, upload.Options{
		Open: func(t storage.Target) (storage.Store, error) {
			return storage.Open(t, storage.Options{Guarded: s.opts.Dial, PartSize: s.opts.PartSize})
		},
		Save: func(p upload.Parcel) int {
			raw, err := json.Marshal(p)
			if err != nil {
				panic("BUG: encode parcel: " + err.Error())
			}
			s.opts.Log.SaveCursors(map[string][]byte{uploadKey(j.id): raw}, nil)
			return len(raw)
		},
		Content:  j.soFar,
		Shown:    j.shown,
		Conclude: j.concluded,
		Settled:  j.arrived,
		Patience: s.opts.Patience,
		Slots:    s.slots,
		Logger:   s.opts.Logger.With("egress", j.id),
	})
	j.sender = sender
	s.sending.Go(func() {
		<-sender.Done()
		s.mu.Lock()
		over := j.over
		s.mu.Unlock()
		if over {
			j.cleanUp(sender.Parcel())
		}
	})
}

// sent says that nothing is on its way any more; Service.mu must be held.
func (j *job) sent() bool {
	if j.sender == nil {
		return true
	}
	select {
	case <-j.sender.Done():
		return true
	default:
		return false
	}
}

// dispatchEnd has the end told, or what was made sent before that. final says how
// the job ended, with everything here; made are its files, by output.
// Service.mu must be held. The place in the log is that of the end, 0 if it is told
// later.
func (j *job) dispatchEnd(final *livekit.EgressInfo, made [][]wire.Made) (seq uint64) {
	var files []upload.File
	for i, some := range made {
		if i < len(j.to) && j.to[i] >= 0 {
			for _, m := range some {
				files = append(files, j.parcelFile(m.Path, j.to[i]))
			}
		}
	}
	if j.sender == nil || len(files) == 0 {
		if j.sender != nil {
			sender := j.sender
			j.sender = nil
			s := j.s
			s.working.Go(func() { // it may be about to call us
				sender.Close()
				s.opts.Log.SaveCursors(nil, []string{uploadKey(j.id)})
			})
		}
		j.info = final
		return j.tell(event.EgressEnded)
	}
	// A start after a crash finds the end only with the files that belong to it.
	j.sender.Add(files...)
	j.final = final
	if j.info.Status != livekit.EgressStatus_EGRESS_ENDING {
		j.change(func(info *livekit.EgressInfo) {
			info.Status, info.Details = livekit.EgressStatus_EGRESS_ENDING, final.Details
		})
		j.tell(event.EgressUpdated)
	} else {
		j.keep(false)
	}
	j.sender.Finish()
	return 0
}

// parcelFile is a file as it goes into a parcel: in the store it has the name that
// it has below the directory.
func (j *job) parcelFile(path string, to int) upload.File {
	name, err := filepath.Rel(j.s.opts.Directory, path)
	if err != nil || !filepath.IsLocal(name) {
		name = filepath.Base(path)
	}
	return upload.File{Path: path, Name: filepath.ToSlash(name), ContentType: contentType(path), To: to}
}

// concluded writes into the manifest where the files are, and has it sent as the
// last. It is the sender's Conclude.
func (j *job) concluded(p upload.Parcel) []upload.File {
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	path := j.final.GetManifestLocation()
	if path == "" || len(p.Files) == 0 || p.File(path) != nil {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		s.opts.Logger.Warn("read the manifest of a recording", "egress", j.id, "error", err)
		return nil
	}
	at := make(map[string]string, len(p.Files))
	for i := range p.Files {
		at[p.Files[i].Path] = p.Location(&p.Files[i])
	}
	if raw, err = moved(raw, at); err == nil {
		err = os.WriteFile(path, raw, 0o644)
	}
	if err != nil {
		s.opts.Logger.Warn("write the manifest of a recording", "egress", j.id, "error", err)
	}
	return []upload.File{j.parcelFile(path, p.Files[0].To)}
}

// arrived tells the job's end, with where the files are. It is the sender's Settled.
func (j *job) arrived(p upload.Parcel) {
	s := j.s
	s.mu.Lock()
	info := proto.CloneOf(j.final)
	located(info, &p)
	j.final = nil
	j.info = info
	seq := j.tell(event.EgressEnded)
	s.mu.Unlock()
	s.opts.Logger.Info("recording is where it is to be", "egress", j.id, "status", info.Status, "backup", info.BackupStorageUsed, "error", info.Error)
	j.settle(seq)
	s.mu.Lock()
	over := j.over
	s.mu.Unlock()
	if over {
		j.cleanUp(p)
	}
}

// cleanUp removes what is in a store and was not said to be here, and the parcel
// when nothing is left to do. The job's end must be durable.
func (j *job) cleanUp(p upload.Parcel) {
	for i := range p.Files {
		if p.Files[i].Sent() {
			if err := os.Remove(p.Files[i].Path); err != nil && !errors.Is(err, os.ErrNotExist) {
				j.s.opts.Logger.Warn("remove a file that is uploaded", "egress", j.id, "error", err)
			}
		}
	}
	if p.Over(time.Now()) {
		j.s.opts.Log.SaveCursors(nil, []string{uploadKey(j.id)})
	}
}

// loadParcels reads what was on its way when the last run ended, by id of the job.
func (s *Service) loadParcels() (map[string]upload.Parcel, error) {
	values, err := s.opts.Log.LoadCursors(uploadPrefix)
	if err != nil {
		return nil, err
	}
	parcels := make(map[string]upload.Parcel)
	for key, value := range values {
		var p upload.Parcel
		if err := json.Unmarshal(value, &p); err != nil {
			s.opts.Logger.Error("forget unreadable upload", "key", key, "error", err)
			s.opts.Log.SaveCursors(nil, []string{key})
			continue
		}
		parcels[strings.TrimPrefix(key, uploadPrefix)] = p
	}
	return parcels, nil
}

// closeDispatch waits for what is about to arrive, within closePatience, and lets
// the next start do the rest. It returns with ctx, a little later, even if an upload
// does not heed its end.
func (s *Service) closeDispatch(ctx context.Context) {
	wait, cancel := context.WithTimeout(ctx, closePatience)
	defer cancel()
	var senders []*upload.Sender
	s.mu.Lock()
	for _, j := range append(s.all(), s.leftover...) {
		if j.sender != nil {
			senders = append(senders, j.sender)
		}
	}
	s.mu.Unlock()
	for _, sender := range senders {
		for !sender.Parcel().Told && wait.Err() == nil {
			select {
			case <-sender.Done():
			case <-time.After(20 * time.Millisecond):
			case <-wait.Done():
			}
		}
	}
	closed := make(chan struct{})
	go func() {
		var closing sync.WaitGroup
		for _, sender := range senders {
			closing.Go(sender.Close)
		}
		closing.Wait()
		s.sending.Wait()
		close(closed)
	}()
	select {
	case <-closed:
		return
	case <-ctx.Done():
	}
	select {
	case <-closed:
	case <-time.After(closeGrace):
		s.opts.Logger.Error("uploads of recordings do not end: the next start goes on with them")
	}
}

// closePatience is how long a server that stops waits for uploads; closeGrace is how
// long one whose time is up waits for them to be cut short.
const (
	closePatience = 5 * time.Second
	closeGrace    = time.Second
)

// resume goes on to send what was not sent when the last run ended. The job's end is
// told already.
func (j *job) resume(p upload.Parcel) {
	p.Told, p.Concluded = true, true
	if p.Ended.IsZero() {
		p.Ended = time.Now()
	}
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	j.sendParcel(p)
}
