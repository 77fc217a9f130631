package upload

import (
	"testing"
	"testing/synctest"
	"time"
)

// A machine may show an earlier time after a restart. The end of a recording is told all
// the same when it has waited for Patience.
func TestEndThatIsYetToComeIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.main.until = time.Now().Add(24 * time.Hour)
		d.parcel.Files, d.parcel.Ended = []File{d.file("a.mp4")}, time.Now().Add(24*time.Hour)
		began := time.Now()
		defer d.start().Close()
		time.Sleep(time.Hour)
		synctest.Wait()
		d.wantOnce(time.Minute, began, d.dir+"/a.mp4")
	})
}
