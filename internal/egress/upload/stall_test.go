package upload

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFullSlotsDoNotHoldUpTheEnd(t *testing.T) {
	for name, d := range map[string]func(*testing.T) *desk{"without a backup": newDesk, "with one": func(t *testing.T) *desk { return newDesk(t).withBackup() }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := d(t)
				d.slots = make(chan struct{}, 1)
				d.slots <- struct{}{} // somebody else's, for good
				s := d.start()
				s.Add(d.file("a.mp4"))
				s.Finish()
				time.Sleep(time.Minute + 3*lastWord)
				synctest.Wait()
				if len(d.settled) != 1 || d.settled[0].Files[0].Where != Here {
					t.Errorf("told %d times", len(d.settled))
				}
				<-d.slots
				<-s.Done()
				if len(d.main.has)+len(d.reserve.has) != 1 {
					t.Error("it is not sent when there is a slot")
				}
			})
		})
	}
}

func TestStoresThatHangDoNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t).withBackup()
		d.main.hangs, d.reserve.hangs = true, true
		s := d.start()
		s.Add(d.file("a.mp4"), d.file("b.mp4"))
		s.Finish()
		time.Sleep(time.Minute + 3*lastWord)
		synctest.Wait()
		if len(d.settled) != 1 {
			t.Errorf("told %d times", len(d.settled))
		}
		s.Close()
	})
}

func TestStoreThatHangsGivesItsSlotToOthers(t *testing.T) {
	for _, told := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d, other := newDesk(t), newDesk(t)
			d.slots = make(chan struct{}, 1)
			other.slots = d.slots
			d.main.hangs = true
			d.parcel.Told, d.parcel.Concluded = told, told
			if told {
				d.parcel.Ended = time.Now()
			}
			s := d.start()
			s.Add(d.file("a.mp4"))
			synctest.Wait()
			next := other.start()
			next.Add(other.file("b.mp4"))
			time.Sleep(stalled + time.Second)
			synctest.Wait()
			if other.main.has["b.mp4"] == "" {
				t.Errorf("told %v: nobody else gets the slot", told)
			}
			s.Close()
			next.Close()
		})
	}
}
