package upload

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// However large a parcel is, keeping it takes no more than so many bytes a second.
func TestLargeParcelIsKeptLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.main.takes = time.Second
		var files []File
		for n := range 1000 {
			files = append(files, d.file(fmt.Sprintf("%0200d.jpeg", n)))
		}
		s := d.start()
		began := time.Now()
		s.Add(files...)
		s.Finish()
		<-s.Done()
		kept, largest := 0, 0
		for _, state := range d.states {
			kept += len(state)
			largest = max(largest, len(state))
		}
		took := time.Since(began)
		if most := saveRate*int(took/time.Second) + 5*largest; kept > most || took < 1000*time.Second {
			t.Errorf("%d bytes are kept in %v, of a parcel of %d", kept, took, largest)
		}
		if len(d.states) < 20 {
			t.Errorf("it is kept %d times only, of %d bytes", len(d.states), largest)
		}
	})
}
