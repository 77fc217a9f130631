package upload

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
)

// A store that takes one large part for much longer than Patience, and takes some of
// it all the while, is waited for; the backup is not used.
func TestSlowStoreIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t).withBackup()
		d.main.takes = 10 * time.Minute
		began := time.Now()
		s := d.start()
		s.Add(d.file("a.mp4"))
		s.Finish()
		<-s.Done()
		d.wantOnce(10*time.Minute, began, "https://main.s3.amazonaws.com/a.mp4")
		if n := d.main.tries.Load(); n != 1 || len(d.reserve.has) != 0 {
			t.Errorf("%d tries; the backup has %v", n, d.reserve.has)
		}
	})
}

// slowly takes that long, and some every now and then.
func slowly(ctx context.Context, takes time.Duration, o storage.Object) error {
	for until := time.Now().Add(takes); time.Now().Before(until); o.Progress() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(lastWord/3, time.Until(until))):
		}
	}
	return nil
}
