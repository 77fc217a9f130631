package delivery

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// withoutKey starts again with other keys than the endpoints were made with.
func (w *world) withoutKey() {
	w.t.Helper()
	w.stop(time.Minute)
	w.options.Keys = map[string]string{"newkey": "secret"}
	w.closeLog()
	w.openLog()
	w.start()
}

func TestEndpointWhoseKeyIsGoneIsSeenAndGoesOnInItsPlace(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		made := w.put(Endpoint{ID: "a", Secrets: []Secret{{Value: NewSecret()}}})
		w.emit("blue", 2)
		w.wantWithin(time.Second, "a", "", 2)
		if err := w.eng.Pause(bg, "a"); err != nil {
			t.Fatal(err)
		}
		w.emit("blue", 3)
		w.emit("red", 2)
		synctest.Wait()
		w.pipe.SetDown("a:80", true)
		if err := w.eng.Resume(bg, "a"); err != nil {
			t.Fatal(err)
		}
		w.withoutKey()
		w.pipe.SetDown("a:80", false)
		w.emit("green", 1)
		time.Sleep(time.Hour)
		if n := w.sinks["a"].Len(); n != 2 {
			t.Errorf("%d deliveries, 2 of them before the key was gone", n)
		}

		got, err := w.eng.Endpoint("a")
		if err != nil || got.URL != made.URL || got.APIKey != "devkey" {
			t.Fatalf("endpoint %+v, %v", got, err)
		}
		s := w.eng.Stats()[1]
		if s.ID != "a" || s.State != Unusable || s.State.String() != "unusable" || !strings.Contains(s.LastError, `no API key "devkey"`) || s.Lag == 0 {
			t.Errorf("stats %+v", s)
		}
		if x, err := w.eng.Why(bg, 3); err != nil || !strings.Contains(x.Endpoints[1].Because, "cannot be used") {
			t.Errorf("why %+v, %v", x.Endpoints, err)
		}
		w.wantNeeds("the key is gone", 1, 3)
		if _, err := w.eng.Test(bg, "a"); !errors.Is(err, ErrUnusable) {
			t.Errorf("Test = %v", err)
		}
		if _, err := w.eng.Redeliver(bg, "a", 1); !errors.Is(err, ErrUnusable) {
			t.Errorf("Redeliver = %v", err)
		}
		if _, err := w.eng.RotateSecret(bg, "a", 0); !errors.Is(err, ErrUnusable) {
			t.Errorf("RotateSecret = %v", err)
		}
		if _, err := w.eng.Recover(bg, RecoverRequest{Endpoint: "a"}); !errors.Is(err, ErrUnusable) {
			t.Errorf("Recover = %v", err)
		}
		if _, err := w.eng.Put(bg, got); !errors.Is(err, ErrEndpoint) {
			t.Errorf("Put with the old key = %v", err)
		}

		got.APIKey = "newkey"
		got, err = w.eng.Put(bg, got)
		if err != nil || got.Created != made.Created || len(got.Secrets) != 1 {
			t.Fatalf("put again %+v, %v", got, err)
		}
		w.wantWithin(time.Minute, "a", "", 8)
		if s := w.eng.Stats()[1]; s.State != Closed || s.LastError != "" {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(time.Second)
		w.restart() // nothing comes from an older place
		w.emit("blue", 1)
		w.wantWithin(time.Minute, "a", "", 9)
		wantEachOnce(t, w.sinks["a"], 9)
	}, "a")
}

// wantEachOnce says that n events came, each once.
func wantEachOnce(t *testing.T, sink *webhooksink.Sink, n int) {
	t.Helper()
	seen := make(map[string]int)
	for _, d := range webhooksink.Accepted(sink.Deliveries()) {
		seen[d.Header.Get(headerSeq)]++
	}
	for seq, times := range seen {
		if times != 1 {
			t.Errorf("event %s came %d times", seq, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d events came, want %d", len(seen), n)
	}
}

func TestEndpointWhoseKeyIsGoneCanBeDeleted(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a"})
		w.pipe.SetDown("a:80", true)
		w.emit("blue", 2)
		time.Sleep(time.Minute)
		w.withoutKey()
		if err := w.eng.Delete(bg, "a"); err != nil {
			t.Fatal(err)
		}
		w.wantNeeds("it was deleted", 1)
		w.restart()
		if all := w.eng.Endpoints(); len(all) != 1 {
			t.Errorf("endpoints %+v", all)
		}
		for _, prefix := range []string{definitionPrefix, cursorPrefix, attemptsPrefix} {
			left, err := w.log.LoadCursors(prefix)
			if err != nil {
				t.Fatal(err)
			}
			for key := range left {
				if strings.Contains(key, "/a") {
					t.Errorf("%s is left", key)
				}
			}
		}
	}, "a")
}

// What an older or newer version let in may not even make a sender.
func TestStoredEndpointThatMakesNoSenseCanBeDeleted(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.stop(time.Second)
		w.log.SaveCursors(map[string][]byte{
			definitionPrefix + "a": []byte(`{"id":"a","url":"http://[","apiKey":"devkey","source":"api","secrets":[{"value":"whsec_x"}],"filter":{"events":["["]}}`),
		}, nil)
		w.start()
		w.emit("blue", 1)
		if s := w.eng.Stats()[1]; s.State != Unusable || s.LastError == "" {
			t.Errorf("stats %+v", s)
		}
		if err := w.eng.Delete(bg, "a"); err != nil {
			t.Error(err)
		}
	})
}
