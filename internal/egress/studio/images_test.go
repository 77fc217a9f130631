package studio

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// A disk that is full for hours refuses an image each second. That is said once.
func TestImagesThatCannotBeWrittenAreToldOnce(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere", "a")
	im := &images{output: output{journal: nowhere, Output: wire.Output{Kind: wire.Images, Path: nowhere, Length: time.Second}}}
	im.start(time.Now())
	for range 20 {
		im.work <- taken{pic: compose.NewPicture(2, 2)}
	}
	made, err := im.close()
	if err == nil || strings.Count(err.Error(), "nowhere") != 1 || len(made) != 0 {
		t.Errorf("%v %v", made, err)
	}
}
