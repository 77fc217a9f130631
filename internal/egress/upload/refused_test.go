package upload

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// segments offers a segment each four seconds, and says how long one was on its way at
// most.
func (d *desk) segments(s *Sender, n int) (files []File, longest int) {
	d.t.Helper()
	waits := 0
	for i := range n {
		f := d.file(fmt.Sprintf("%d.ts", i))
		files = append(files, f)
		s.Offer(f)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		waits = 0
		for j := len(files) - 1; j >= 0 && d.main.got(files[j].Name) == ""; j-- {
			waits++
		}
		longest = max(longest, waits)
	}
	return files, longest
}

// finish ends a recording of those files and a list.
func (d *desk) finish(s *Sender, files []File) {
	d.t.Helper()
	s.Add(append(files, d.file("list.m3u8"))...)
	s.Finish()
	<-s.Done()
}

// A store that takes each name once gets each name once, as if nothing were sent while
// the recording goes on.
func TestStoreThatTakesNamesOnceGetsTheListAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.main.once = true
		s := d.start()
		d.follow(s, 0)
		s.Follow(d.file("live.m3u8"), 0)
		files, waiting := d.segments(s, 225)
		if waiting > 0 {
			t.Errorf("%d segments wait at a time", waiting)
		}
		if n := d.main.triesOf("list.m3u8"); n != 0 {
			t.Errorf("the list is tried %d times before the end", n)
		}
		if n := int(d.main.tries.Load()) - len(files); n != 1 {
			t.Errorf("%d times it is tried whether a name can be written anew", n)
		}
		began := time.Now()
		d.finish(s, files)
		if f := d.settled[0].OutOfPlace(); f != nil {
			t.Errorf("%+v is not in the store", f)
		}
		if took := d.at[0].Sub(began); took > time.Second {
			t.Errorf("the end is told after %v", took)
		}
		if got := d.main.got("list.m3u8"); got != "list.m3u8/" {
			t.Errorf("the list is %q", got)
		}
	})
}

// Rights can change: a list that was taken once and then is refused is left alone until
// the end, which says that what the store has is old.
func TestListThatIsRefusedLaterHoldsUpNoSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		s := d.start()
		d.follow(s, 0)
		files, _ := d.segments(s, 10)
		d.main.now(func() { d.main.once = true })
		before := d.main.triesOf("list.m3u8")
		more, waiting := d.segments(s, 225)
		if waiting > 0 {
			t.Errorf("%d segments wait at a time", waiting)
		}
		if n := d.main.triesOf("list.m3u8") - before; n != 1 {
			t.Errorf("the list is tried %d times after the store began to refuse it", n)
		}
		began := time.Now()
		s.Add(append(append(files, more...), d.file("list.m3u8"))...)
		s.Finish()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(d.settled) != 1 || d.at[0].Sub(began) > time.Second {
			t.Fatalf("told %d times, at %v", len(d.settled), d.at)
		}
		if f := d.settled[0].OutOfPlace(); f == nil || f.Name != "list.m3u8" || !f.Refused || !f.Outdated {
			t.Errorf("not in its place: %+v", f)
		}
		s.Close()
	})
}

// A list that does not get through is tried again by itself: less and less often, and
// not before segments.
func TestListThatFailsHoldsUpNoSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.main.dislike = "list.m3u8"
		s := d.start()
		d.follow(s, 0)
		_, waiting := d.segments(s, 225)
		if waiting > 0 {
			t.Errorf("%d segments wait at a time", waiting)
		}
		if n := d.main.triesOf("list.m3u8"); n < 6 || n > 20 {
			t.Errorf("in a quarter of an hour the list is tried %d times", n)
		}
		d.main.now(func() { d.main.dislike = "" })
		time.Sleep(longestPause)
		synctest.Wait()
		if d.main.got("list.m3u8") == "" {
			t.Error("the list is not sent when the store takes it, until the next segment")
		}
		s.Close()
	})
}

// Who waits for a slot has not failed: what was waiting goes as soon as there is one.
func TestListThatWaitsForASlotHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.slots = make(chan struct{}, 1)
		s := d.start()
		d.follow(s, 0)
		s.Offer(d.file("1.ts"))
		synctest.Wait()
		d.slots <- struct{}{} // somebody else's
		s.Touch(d.dir + "/list.m3u8")
		time.Sleep(time.Hour)
		s.Offer(d.file("2.ts"))
		synctest.Wait()
		<-d.slots
		synctest.Wait()
		if got := d.main.got("list.m3u8"); got != "1.ts 2.ts/" {
			t.Errorf("as soon as there is a slot the list is %q", got)
		}
		s.Close()
	})
}

// A list that may not be sent yet is sent when it may, not when something else happens.
func TestListIsSentWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		s := d.start()
		d.follow(s, 10*time.Second)
		s.Offer(d.file("1.ts"))
		time.Sleep(time.Second)
		s.Offer(d.file("2.ts"))
		time.Sleep(9*time.Second + time.Millisecond)
		synctest.Wait()
		if got := d.main.got("list.m3u8"); got != "1.ts 2.ts/" {
			t.Errorf("after ten seconds the list is %q", got)
		}
		s.Close()
	})
}
