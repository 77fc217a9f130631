package upload

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
)

// File is one on its way.
type File struct {
	Path        string `json:"path"` // here, absolute
	Name        string `json:"name"` // in the store, below the target's prefix
	ContentType string `json:"contentType,omitempty"`
	// To is the number of its target.
	To int `json:"to,omitempty"`
	// Where says where it is by now.
	Where Place `json:"where,omitempty"`
	// State is what the store needs to go on with an upload, BackupState the backup's.
	State       string `json:"state,omitempty"`
	BackupState string `json:"backupState,omitempty"`
	// Problem is why the last try failed, without secrets. Refused says that the
	// store did not want it.
	Problem string `json:"problem,omitempty"`
	Refused bool   `json:"refused,omitempty"`
	// Outdated says that the store has it as it was while the recording went on, as
	// long as it is Here.
	Outdated bool `json:"outdated,omitempty"`
	// Keep says that others were told that it is here.
	Keep bool `json:"keep,omitempty"`
}

// Place is where a file is.
type Place string

// The places.
const (
	Here     Place = ""       // on this machine only
	InStore  Place = "store"  // confirmed by the target
	InBackup Place = "backup" // confirmed by the backup
	Gone     Place = "gone"   // somebody removed it before it was sent
)

// Parcel is the files of a recording. It holds secrets.
type Parcel struct {
	// Targets are where files go: one, unless a request names several.
	Targets []storage.Target `json:"targets"`
	Backup  *storage.Target  `json:"backup,omitempty"`
	Files   []File           `json:"files"`
	// Ended is when the last file was added; zero while more may come.
	Ended time.Time `json:"ended,omitzero"`
	// Concluded says that Options.Conclude was called, and what it added is in Files.
	Concluded bool `json:"concluded,omitempty"`
	// Told says that Options.Settled was called: the locations that there were then
	// are known to others.
	Told bool `json:"told,omitempty"`
}

// Location is where a file can be found: in the store, in the backup, or here.
func (p *Parcel) Location(f *File) string {
	switch f.Where {
	case InStore:
		return p.Targets[f.To].Location(f.Name)
	case InBackup:
		return p.Backup.Location(f.Name)
	}
	return f.Path
}

// File returns the file at a path here, nil if there is none.
func (p *Parcel) File(path string) *File {
	for i := range p.Files {
		if p.Files[i].Path == path {
			return &p.Files[i]
		}
	}
	return nil
}

// add adds files that are not there.
func (p *Parcel) add(files []File) {
	there := make(map[string]bool, len(p.Files))
	for i := range p.Files {
		there[p.Files[i].Path] = true
	}
	for _, f := range files {
		if !there[f.Path] {
			there[f.Path] = true
			p.Files = append(p.Files, f)
		}
	}
}

// OutOfPlace is the first file that is elsewhere than in its target, nil if there is
// none.
func (p *Parcel) OutOfPlace() *File {
	for i := range p.Files {
		if p.Files[i].Where != InStore {
			return &p.Files[i]
		}
	}
	return nil
}

// Sent says whether the file here is not needed any more: it is in a store, and
// nobody was told that it is here.
func (f *File) Sent() bool { return (f.Where == InStore || f.Where == InBackup) && !f.Keep }

// Over says whether there is nothing more to do: everything is in its place, or
// given up.
func (p *Parcel) Over(now time.Time) bool {
	return p.Told && (nextFile(p, nil) < 0 || now.After(p.Ended.Add(giveUp)))
}

// clone is a copy that nothing else changes.
func (p *Parcel) clone() Parcel {
	c := *p
	c.Files = append([]File(nil), p.Files...)
	return c
}
