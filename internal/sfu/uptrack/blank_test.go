package uptrack

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSinksAreToldOfAMuteAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		defer r.u.Close()
		f := r.publish(StreamInfo{SSRC: 5, PayloadType: 96})
		defer f.end()
		r.u.Attach(r.sink)
		wait := func(d time.Duration) int {
			time.Sleep(d)
			synctest.Wait()
			r.sink.mu.Lock()
			defer r.sink.mu.Unlock()
			n := r.sink.blanks
			r.sink.blanks = 0
			return n
		}
		r.u.SetMuted(true)
		if n := wait(time.Minute); n != 0 {
			t.Errorf("told %d times of a track that has sent nothing", n)
		}
		r.u.SetMuted(false)
		f.frame(true, 1)
		r.u.SetMuted(true)
		if n := wait(10 * time.Millisecond); n != 1 {
			t.Errorf("told %d times at once", n)
		}
		f.frame(true, 1) // forwarded to nobody
		if n := wait(time.Minute); n != blanks-1 {
			t.Errorf("told %d times later", n)
		}
		r.u.SetMuted(false)
		f.frame(true, 1)
		r.u.SetMuted(true)
		if n := wait(10 * time.Millisecond); n != 1 {
			t.Errorf("told %d times of the next mute", n)
		}
		r.u.SetMuted(false)
		if n := wait(time.Minute); n != 0 {
			t.Errorf("told %d times after the end", n)
		}
		r.u.SetOpaque(true)
		r.u.SetMuted(true)
		if n := wait(time.Minute); n != 0 {
			t.Errorf("told %d times of a track whose frames only its publisher can make", n)
		}
	})
}
