package soak

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// TestPowerCutsLoseNothing is the same promise against a loss of power: of what
// was not synced, any block may be gone.
func TestPowerCutsLoseNothing(t *testing.T) {
	random := newRandom(t)
	began := time.Now()
	gate := new(sync.RWMutex)
	receivers := []*receiver{newReceiver(t, gate, false), newReceiver(t, gate, true)}
	j := newJudge("the good receiver", "the faulty receiver")
	fs := vfs.NewCrashableMem()
	for n := range *cuts {
		moment := pickMoment(random)
		fs = runAndCut(t, fs, moment, rand.New(rand.NewPCG(random.Uint64(), 0)), j, gate, receivers)
		if len(j.problems) > 0 {
			t.Fatalf("after %d cuts, the last at %q:\n%s", n+1, moment, strings.Join(j.problems, "\n"))
		}
	}

	v := victim{dir: "log", fs: fs, urls: urls(receivers), life: j.life, after: j.last, idle: true, moments: &moments{}, witness: j}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.run(ctx) }()
	settled(t, j, v.life)
	drain(t, j, receivers)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, p := range j.problems {
		t.Error(p)
	}
	j.verdict.Deaths = *cuts
	conclude(t, "power cut", j.verdict, time.Since(began), "")
}

func urls(receivers []*receiver) (urls []string) {
	for _, r := range receivers {
		urls = append(urls, r.url)
	}
	return urls
}

// runAndCut lets a victim live until its moment, or not long after it has nothing
// left to do, and returns what the disk then holds.
func runAndCut(t *testing.T, fs *vfs.MemFS, moment string, random *rand.Rand, j *judge, gate *sync.RWMutex, receivers []*receiver) *vfs.MemFS {
	t.Helper()
	var once sync.Once
	var left *vfs.MemFS
	cut := make(chan struct{})
	die := func() {
		once.Do(func() {
			gate.Lock()
			defer gate.Unlock()
			for _, r := range receivers {
				r.isDead = true
			}
			j.seal(true)
			left = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
			close(cut)
		})
	}
	m, err := parseMoment(moment, die)
	if err != nil {
		t.Fatal(err)
	}
	v := victim{dir: "log", fs: fs, urls: urls(receivers), life: j.life, after: j.last, moments: m, witness: j}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- v.run(ctx) }()
	select {
	case <-cut:
	case <-time.After(400 * time.Millisecond): // the moment may not come
		die()
	}
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	collect(t, j, receivers)
	gate.Lock()
	defer gate.Unlock()
	for _, r := range receivers {
		r.isDead = false
	}
	j.seal(false)
	return left
}

// settled waits until the judge has heard what a life found.
func settled(t *testing.T, j *judge, life int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		j.mu.Lock()
		done := j.settledLife == life
		j.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a victim does not settle")
		}
		time.Sleep(time.Millisecond)
	}
}

// drain waits until both receivers have everything, as long as more comes, and has
// the judge see it.
func drain(t *testing.T, j *judge, receivers []*receiver) {
	t.Helper()
	deadline, least := time.Now().Add(patience), -1
	for {
		j.mu.Lock()
		missing := 0
		for i, v := range j.views {
			missing += j.missing(v, webhooksink.Accepted(receivers[i].sink.Deliveries()))
		}
		j.mu.Unlock()
		if missing == 0 {
			break
		}
		if least < 0 || missing < least {
			deadline, least = time.Now().Add(patience), missing
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d deliveries did not come", missing)
		}
		time.Sleep(5 * time.Millisecond)
	}
	var got [][]webhooksink.Delivery
	for _, r := range receivers {
		got = append(got, r.sink.Deliveries())
	}
	j.died(got...)
	if n := j.outstanding(); n > 0 {
		t.Errorf("%d deliveries are missing", n)
	}
}
