package egress

import (
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
)

// What a store refuses is said by name, and of what it has an older one of, that this is
// what it has.
func TestEndSaysWhichFilesAStoreRefused(t *testing.T) {
	const problem = "the store refused: send: status 403"
	refused := func(name string, outdated bool) upload.File {
		return upload.File{Path: "/here/" + name, Name: name, Problem: problem, Refused: true, Outdated: outdated}
	}
	there := upload.File{Path: "/here/0.ts", Name: "0.ts", Where: upload.InStore}
	for want, files := range map[string][]upload.File{
		"upload: " + problem + "; what it has is old and cannot be written anew: list.m3u8; the files are kept on the server": {there, refused("list.m3u8", true)},
		"upload: " + problem + "; 1 of 2 files are missing there: list.m3u8; the files are kept on the server":                {there, refused("list.m3u8", false)},
		"upload: " + problem + "; 5 of 6 files are missing there: 1.ts, 2.ts, 3.ts and 2 more; the files are kept on the server": {
			there, refused("1.ts", false), refused("2.ts", false), refused("3.ts", false), refused("4.ts", false), refused("list.m3u8", false),
		},
	} {
		info := &livekit.EgressInfo{
			Status:         livekit.EgressStatus_EGRESS_COMPLETE,
			SegmentResults: []*livekit.SegmentsInfo{{PlaylistLocation: "/here/list.m3u8"}},
		}
		located(info, &upload.Parcel{Targets: []storage.Target{{S3: &storage.S3{Bucket: "b"}}}, Files: files})
		if info.Error != want || info.Status != livekit.EgressStatus_EGRESS_FAILED {
			t.Errorf("%v: %s\nwant %s", info.Status, info.Error, want)
		}
		if at := info.SegmentResults[0].PlaylistLocation; !strings.HasPrefix(at, "/here/") {
			t.Errorf("the list is said to be at %s", at)
		}
	}
}
