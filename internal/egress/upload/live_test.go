package upload

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// follow has the desk's sender send a list of what is in the store each time that this
// changes, in which there is what soFar says.
func (d *desk) follow(s *Sender, every time.Duration) {
	f := d.file("list.m3u8")
	s.Follow(f, every)
}

// soFar is a list of what is in the store.
func soFar(p Parcel, _ File) ([]byte, error) {
	var names []string
	for i := range p.Files {
		if p.Files[i].Where == InStore {
			names = append(names, p.Files[i].Name)
		}
	}
	if names == nil {
		return nil, nil
	}
	return []byte(strings.Join(names, " ")), nil
}

func TestSegmentsAreSentWhileTheyComeAndTheirListAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.main.takes = lastWord / 3
		s := d.start()
		d.follow(s, 0)
		s.Touch(d.dir + "/list.m3u8")
		synctest.Wait()
		if d.main.tries.Load() != 0 {
			t.Errorf("a list is sent of nothing")
		}
		s.Offer(d.file("1.ts"), d.file("2.ts"))
		time.Sleep(35 * time.Second)
		synctest.Wait()
		// The first list goes at once, when it is known that it can be sent anew, the
		// others when nothing else waits.
		if got := d.main.got("list.m3u8"); got != "1.ts/" {
			t.Errorf("the list has %q", got)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := d.main.got("list.m3u8"); got != "1.ts 2.ts/" {
			t.Errorf("the list has %q", got)
		}
		s.Parcel() // what it has done is before this
		if len(d.shown) == 0 || d.shown[0] != "https://main.s3.amazonaws.com/list.m3u8" {
			t.Errorf("it is said to be at %v", d.shown)
		}
		s.Add(d.file("1.ts"), d.file("2.ts"), d.file("3.ts"), d.file("list.m3u8"))
		began := time.Now()
		s.Finish()
		<-s.Done()
		at := "https://main.s3.amazonaws.com/"
		d.wantOnce(20*time.Second, began, at+"1.ts", at+"2.ts", at+"3.ts", at+"list.m3u8")
		if got := d.main.got("list.m3u8"); got != "list.m3u8/" {
			t.Errorf("at the end the list is %q", got)
		}
	})
}

func TestListsAreSentNoMoreOftenThanTheyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		s := d.start()
		d.follow(s, 10*time.Second)
		for n := range 60 {
			s.Offer(d.file(fmt.Sprintf("%d.ts", n)))
			time.Sleep(time.Second)
		}
		if lists := d.main.triesOf("list.m3u8"); lists < 5 || lists > 7 {
			t.Errorf("in a minute %d lists are sent", lists)
		}
		s.Close()
	})
}

// Lists that a store does not take are tried again, as files are, and at the end all
// is tried at once: an outage that is over costs no patience.
func TestOutageWhileSegmentsComeIsOverAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.main.until = time.Now().Add(time.Hour)
		s := d.start()
		d.follow(s, 0)
		tries := int64(0)
		for n := 0; !time.Now().After(d.main.until); n++ {
			tries = d.main.tries.Load()
			s.Offer(d.file(fmt.Sprintf("%d.ts", n)))
			time.Sleep(time.Minute)
		}
		if tries > 3600/150+20 {
			t.Errorf("a store that is down is asked %d times in an hour", tries)
		}
		s.Add(d.file("list.m3u8"))
		began := time.Now()
		s.Finish()
		<-s.Done()
		if took := d.at[0].Sub(began); took > 5*time.Second {
			t.Errorf("the end is told after %v", took)
		}
		if f := d.settled[0].OutOfPlace(); f != nil {
			t.Errorf("%+v is not in the store", f)
		}
	})
}

// Of a recording with many files it is kept every ten seconds which got through, and a
// restart sends what was not kept once more; at the end all is in its place.
func TestRestartWhileSegmentsComeLosesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		s := d.start()
		d.follow(s, 0)
		const many = 300
		var all []File
		for n := range many {
			all = append(all, d.file(fmt.Sprintf("%d.ts", n)))
			s.Offer(all[n])
			time.Sleep(time.Second)
		}
		if saves := len(d.states); saves > 3*few+many/10+2 {
			t.Errorf("the parcel is kept %d times", saves)
		}
		kept := d.kept // what a crash leaves
		s.Close()
		if d.kept == kept {
			t.Error("an orderly end keeps nothing")
		}
		d.kept = kept
		before := d.main.tries.Load()
		s = d.restart()
		s.Add(append(all, d.file("list.m3u8"))...)
		s.Finish()
		<-s.Done()
		if p := d.settled[0]; len(p.Files) != many+1 || p.OutOfPlace() != nil {
			t.Errorf("%d files, %+v is not in the store", len(p.Files), p.OutOfPlace())
		}
		if again := d.main.tries.Load() - before; again > 12 {
			t.Errorf("%d files are sent again", again)
		}
	})
}
