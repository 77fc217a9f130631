package ice

import (
	"sync"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

// drop takes what is sent, and forgets it.
type drop struct{}

func (drop) Send(Path, []byte) {}

func TestAnsweringAllocatesNothing(t *testing.T) {
	for _, change := range []func(*Options){nil, controlling, lite} {
		r, home := newRig(t, change), newWay("192.0.2.1:1")
		r.start()
		r.checks(home, nominating)
		if !r.a.opts.Lite {
			r.answers(r.lastCheck(home))
		}
		check := r.check(nominating)
		if n := testing.AllocsPerRun(100, func() { r.a.Handle(check, home, start, drop{}) }); n > 3 { // the race detector empties pools
			t.Errorf("%v allocations", n)
		}
		garbage := []byte("\x00\x01 what else starts like a check may be")
		if n := testing.AllocsPerRun(100, func() { r.a.Handle(garbage, home, start, drop{}) }); n > 0 {
			t.Errorf("%v allocations for nothing", n)
		}
	}
}

// FuzzHandle has what an Agent may get come in any order, and whatever else.
func FuzzHandle(f *testing.F) {
	r := newRig(f, nil)
	home, away := newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	for _, b := range [][]byte{
		r.check(), r.check(nominating), r.check(nominatingWith(1)),
		r.message(stun.Success, make([]byte, stun.IDSize), theirs.Password, func(*stun.Writer) {}),
		r.message(stun.Error, make([]byte, stun.IDSize), theirs.Password, func(w *stun.Writer) { w.ErrorCode(stun.RoleConflict) }),
	} {
		f.Add(b, uint8(0), true)
		f.Add(b, uint8(7), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, what uint8, first bool) {
		r := newRig(t, []func(*Options){nil, controlling, lite}[what%3])
		if what&8 == 0 {
			r.start()
		}
		r.tell(away, 1)
		if what&16 == 0 {
			r.checks(home, nominating)
		}
		path := away
		if first {
			path = home
		}
		r.handle(b, path)
		if len(r.checked) > 0 && len(b) >= stun.HeaderSize {
			answered := append([]byte(nil), b...)
			copy(answered[8:], r.checked[0].m.ID) // its integrity is wrong then, unless it has none
			r.handle(answered, path)
		}
		r.start()
		r.handle(b, path)
		r.wait(2 * maxTries * step)
		if !r.next.IsZero() {
			t.Error("something is left to do")
		}
		if p := r.a.Path(); p != nil && !r.a.opts.Lite && !r.a.find(p).valid {
			t.Errorf("%v was never answered", p)
		}
	})
}

func BenchmarkHandleCheck(b *testing.B) {
	r, home := newRig(b, nil), newWay("192.0.2.1:1")
	r.start()
	r.connect(home)
	check := r.check()
	b.ReportAllocs()
	for b.Loop() {
		r.a.Handle(check, home, start, drop{})
	}
}

func TestCallsMayBeConcurrent(t *testing.T) {
	r, ways := newRig(t, nil), []*way{newWay("192.0.2.1:1"), newWay("192.0.2.2:2"), newWay("192.0.2.3:3")}
	var checks [][]byte
	for range ways {
		checks = append(checks, r.check(nominating))
	}
	var wg sync.WaitGroup
	for i, w := range ways {
		wg.Go(func() {
			for range 50 {
				r.a.Handle(checks[i], w, start, drop{})
				r.a.AddCandidate(w.addr, 1, start, drop{})
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			r.a.Start(theirs, false, start, drop{})
			r.a.Tick(start, drop{})
			r.a.Restart(ours)
		}
	})
	wg.Go(func() {
		for range 50 {
			_, _, _ = r.a.Local(), r.a.Remote(), r.a.Controlling()
			_, _, _ = r.a.Path(), r.a.Answered(), r.a.Searching()
		}
	})
	wg.Wait()
}
