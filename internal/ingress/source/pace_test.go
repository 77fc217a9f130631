package source

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestPacerKeepsDistances(t *testing.T) {
	var p pacer
	if d := p.wait(5*time.Second, noon); d != 0 {
		t.Errorf("the first waits %v", d)
	}
	if d := p.wait(5500*time.Millisecond, noon.Add(100*time.Millisecond)); d != 400*time.Millisecond {
		t.Errorf("the second waits %v", d)
	}
	// Late by two seconds: what follows is later, too.
	if d := p.wait(6*time.Second, noon.Add(3*time.Second)); d != 0 {
		t.Errorf("a late one waits %v", d)
	}
	if d := p.wait(6100*time.Millisecond, noon.Add(3*time.Second)); d != 100*time.Millisecond {
		t.Errorf("the one after it waits %v", d)
	}
}

// A source whose clock goes on by an hour, or back, goes on itself.
func TestPacerDoesNotWaitOutAJump(t *testing.T) {
	p := pacer{live: true}
	now, at := noon, time.Duration(0)
	for i := range 400 { // of 20 ms
		switch i {
		case 100:
			at += time.Hour
		case 200:
			at -= 2 * time.Hour
		case 300:
			at += gap - time.Second // no jump
		}
		d := p.wait(at, now)
		want := 20 * time.Millisecond
		switch i {
		case 0, 100, 200:
			want = 0
		case 300:
			want = gap - time.Second + 20*time.Millisecond
		}
		if d != want {
			t.Fatalf("tag %d waits %v, want %v", i, d, want)
		}
		now, at = now.Add(d), at+20*time.Millisecond
	}
}

// Segments of four seconds come at once: that is no surplus. After a stall everything
// that was missed is there, too, and stays: that is one.
func TestPacerCatchesUpWithLiveSources(t *testing.T) {
	p := pacer{live: true}
	now, skipped := noon, time.Duration(0)
	at, newest := time.Duration(0), 4*time.Second
	for i := range 3000 { // of 20 ms
		stall := i > 1000 && i < 1300
		if i%200 == 199 && !stall {
			newest = time.Duration(i+1)*20*time.Millisecond + 4*time.Second
		}
		if at <= newest {
			if over := p.skip(newest-at, now); over > 0 {
				if i < 1300 {
					t.Fatalf("skips %v at %d", over, i)
				}
				skipped += over
				at += over
				p.forget()
			}
			if p.wait(at, now) == 0 {
				at += 20 * time.Millisecond
			}
		}
		now = now.Add(20 * time.Millisecond)
	}
	if behind := newest - at; skipped == 0 || behind > 6*time.Second {
		t.Errorf("skipped %v, and is %v behind", skipped, behind)
	}

	p = pacer{}
	p.wait(0, noon)
	for i := range 3000 {
		if over := p.skip(20*time.Second, noon.Add(time.Duration(i)*20*time.Millisecond)); over != 0 {
			t.Fatal("a file is skipped")
		}
	}
}

func TestClockGoesOnAfterJumps(t *testing.T) {
	var c sourceClock
	now := noon
	step := func(at, passed time.Duration) time.Duration {
		now = now.Add(passed)
		return c.time(at, now)
	}
	if got := step(25*time.Hour, 0); got != 25*time.Hour {
		t.Error(got)
	}
	// A day in a minute, in steps of a frame, is no jump.
	at := 25 * time.Hour
	for range 100_000 {
		at += 33 * time.Millisecond
		if got := step(at, time.Millisecond); got != at {
			t.Fatalf("%v became %v", at, got)
		}
	}
	if got := step(at-20*time.Millisecond, 0); got != at-20*time.Millisecond {
		t.Error("sound before pictures moves")
	}
	if got := step(0, 10*time.Millisecond); got != at+10*time.Millisecond {
		t.Errorf("a new beginning is at %v after %v", got, at)
	}
	if got := step(100*time.Hour, 10*time.Millisecond); got != at+20*time.Millisecond {
		t.Errorf("a jump is at %v after %v", got, at)
	}
	if got := step(100*time.Hour+20*time.Second, 20*time.Second); got != at+20*time.Millisecond+20*time.Second {
		t.Errorf("a silence is until %v", got-at)
	}
}

func TestQueueSkipsToAKeyFrame(t *testing.T) {
	q := newQueue()
	unit := []byte{0, 0, 0, 1, 0x65}
	add := func(at time.Duration, head ...byte) {
		if err := q.push(tag{9, at, append(head, unit...)}); err != nil {
			t.Fatal(err)
		}
	}
	add(0, 0x17, 0, 0, 0, 0)
	for i := range 100 {
		head := byte(0x27)
		if i%25 == 0 {
			head = 0x17
		}
		add(time.Duration(i)*40*time.Millisecond, head, 1, 0, 0, 0)
	}
	taken, _, _ := q.pop() // the configuration, which is kept
	if n := q.skip(taken, 1500*time.Millisecond); n != 50 {
		t.Errorf("%d are left out", n)
	}
	config, ahead, _ := q.pop()
	first, _, _ := q.pop()
	if config.body[1] != 0 || first.body[0] != 0x17 || first.at != 2*time.Second || ahead != 1960*time.Millisecond {
		t.Errorf("%v, then %v; %v ahead", config.body, first.at, ahead)
	}
	taken, _, _ = q.pop()
	if n := q.skip(taken, time.Hour); n != 0 {
		t.Errorf("%d are left out, and no key frame follows", n)
	}
	if next, _, _ := q.pop(); next.at != 2040*time.Millisecond {
		t.Errorf("then %v", next.at)
	}
}

// Tags without a body take memory, too.
func TestQueueBoundsWhatTagsTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, pushed := newQueue(), 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for pushed < 2*maxAheadBytes/perTag && q.push(tag{kind: 8, body: []byte{0}}) == nil {
				pushed++
			}
		}()
		synctest.Wait()
		q.close(io.EOF)
		<-done
		if most := maxAheadBytes/(perTag+1) + 1; pushed > most {
			t.Errorf("%d tags wait, at most %d fit", pushed, most)
		}
	})
}
