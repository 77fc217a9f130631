package egress

import (
	"fmt"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
)

// located writes into info where the files of a parcel are, and what became of those
// that are not where they should be.
func located(info *livekit.EgressInfo, p *upload.Parcel) {
	at := func(path *string) {
		if f := p.File(*path); f != nil {
			*path = p.Location(f)
		}
	}
	for _, f := range info.FileResults {
		at(&f.Location)
	}
	for _, one := range info.SegmentResults {
		at(&one.PlaylistLocation)
		at(&one.LivePlaylistLocation)
	}
	at(&info.ManifestLocation)
	forOlder(info)
	info.UpdatedAt = time.Now().UnixNano()
	info.EndedAt = info.UpdatedAt
	f := p.OutOfPlace()
	if f == nil {
		return
	}
	switch f.Where {
	case upload.InBackup:
		info.BackupStorageUsed = true
	case upload.Here:
		if !f.Refused {
			// The directory is the backup: the file is there, and goes on being sent.
			info.BackupStorageUsed = true
			return
		}
		uploadFailed(info, f.Problem+"; "+missing(p)+"; the files are kept on the server")
	case upload.Gone:
		uploadFailed(info, "somebody removed a file before it was sent")
	}
}

// missing says which files of a parcel a store does not have, by name: the first few.
func missing(p *upload.Parcel) string {
	var names, old []string
	for i := range p.Files {
		switch f := &p.Files[i]; {
		case f.Where != upload.Here:
		case f.Outdated:
			old = append(old, f.Name)
		default:
			names = append(names, f.Name)
		}
	}
	few := func(names []string) string {
		if n := len(names) - 3; n > 0 {
			return strings.Join(names[:3], ", ") + fmt.Sprintf(" and %d more", n)
		}
		return strings.Join(names, ", ")
	}
	var said []string
	if len(names) > 0 {
		said = append(said, fmt.Sprintf("%d of %d files are missing there: %s", len(names), len(p.Files), few(names)))
	}
	if len(old) > 0 {
		said = append(said, "what it has is old and cannot be written anew: "+few(old))
	}
	return strings.Join(said, "; ")
}

// uploadFailed says that what was recorded well is not where it should be.
func uploadFailed(info *livekit.EgressInfo, problem string) {
	problem = "upload: " + problem
	if info.Error != "" {
		info.Error += "; " + problem
		return
	}
	info.Status, info.Error, info.ErrorCode = livekit.EgressStatus_EGRESS_FAILED, problem, 400
}
