package delivery

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// says appends an event of a participant with a name, in a room.
func (w *world) says(room, identity string) uint64 {
	w.t.Helper()
	e := roomEvent(room)
	e.Name = event.ParticipantJoined
	e.Participant = &livekit.ParticipantInfo{Sid: "PA_1", Identity: identity, Name: "Secret " + identity}
	seq := w.log.Append(e)
	if err := w.log.Sync(w.t.Context(), seq); err != nil {
		w.t.Fatal(err)
	}
	return seq
}

func (w *world) forget(identity string) eventlog.Forgotten {
	w.t.Helper()
	done, err := w.log.Forget(w.t.Context(), eventlog.Person{Identity: identity})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.eng.Forget(w.t.Context(), identity, done.Pseudonym); err != nil {
		w.t.Fatal(err)
	}
	return done
}

// echo refuses everything and repeats in its answer what it got.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(append([]byte("I do not like "), body...))
}

// What waits in memory, is refused, recovered, redelivered or kept of an answer
// tells nothing of a person who was forgotten.
func TestNothingIsDeliveredOfWhoWasForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pipe.Serve("echo", http.HandlerFunc(echo), nil)
		w.pipe.SetDown("a:80", true)
		w.stop(time.Minute)
		w.options.Keys = map[string]string{"devkey": "secret"}
		w.start()
		refusing := hostEndpoint("echo")
		refusing.ID, refusing.Source = "refusing", SourceAPI
		if _, err := w.eng.Put(w.t.Context(), refusing); err != nil {
			w.t.Fatal(err)
		}
		anna := w.says("den", "anna")
		bert := w.says("attic", "bert")
		for range 20 {
			w.says("den", "anna")
		}
		time.Sleep(time.Minute)
		answers := func() (annas, berts int) {
			list, err := w.eng.Attempts(w.t.Context(), "refusing", 1000)
			if err != nil {
				w.t.Fatal(err)
			}
			for _, a := range list {
				if a.Seq == anna && strings.Contains(a.Response, "Secret anna") {
					annas++
				}
				if a.Seq == bert && strings.Contains(a.Response, "Secret bert") {
					berts++
				}
			}
			return annas, berts
		}
		annas, berts := answers()
		if annas == 0 || berts == 0 {
			w.t.Fatalf("%d and %d answers are kept: this test sees nothing", annas, berts)
		}
		id, err := w.eng.Recover(w.t.Context(), RecoverRequest{Endpoint: "refusing", Rate: 1, ToURL: "http://b/again"})
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // its queue is read
		before := w.sinks["b"].Len()

		done := w.forget("anna")
		if done.Events != 21 {
			w.t.Errorf("%+v", done)
		}
		if a, b := answers(); a != 0 || b != berts {
			w.t.Errorf("%d answers of 0 tell of her, %d of %d of somebody else", a, b, berts)
		}
		w.pipe.SetDown("a:80", false)
		w.wantWithin(time.Hour, "a", "", 22)
		w.wantWhole("a")
		if r := w.recoveryDone(id); r.Sent != 22 {
			w.t.Errorf("%+v", r)
		}
		if _, err := w.eng.Redeliver(w.t.Context(), w.eng.Endpoints()[0].ID, anna); err != nil {
			w.t.Error(err)
		}
		for _, d := range append(w.sinks["a"].Deliveries(), w.sinks["b"].Deliveries()[before:]...) {
			if strings.Contains(string(d.Body), "anna") {
				w.t.Errorf("request %d to %s: %s", d.N, d.Path, d.Body)
			}
		}
		if x, err := w.eng.Why(w.t.Context(), anna); err != nil || strings.Contains(string(x.Event.Body), "anna") {
			w.t.Errorf("why: %s, %v", x.Event.Body, err)
		}
		for _, d := range w.sinks["a"].Deliveries() {
			if d.Header.Get(headerSeq) == "1" && d.Event.Participant.Identity != done.Pseudonym {
				w.t.Errorf("the identity is %q", d.Event.Participant.Identity)
			}
		}
		// Also after a restart, of what is stored.
		w.restart()
		if a, b := answers(); a != 0 || b == 0 {
			w.t.Errorf("after a restart, %d answers tell of her and %d of somebody else", a, b)
		}
	}, "a", "b")
}

// An endpoint that is not there now has attempts too.
func TestAnswersOfEndpointsThatAreGoneAreForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pipe.Serve("echo", http.HandlerFunc(echo), nil)
		w.stop(time.Minute)
		w.options.Endpoints = []Endpoint{hostEndpoint("echo"), hostEndpoint("a")}
		w.start()
		w.says("den", "anna")
		time.Sleep(time.Minute)
		w.stop(time.Minute)
		w.options.Endpoints = w.options.Endpoints[1:]
		w.start()
		stored := func() (all string) {
			values, err := w.log.LoadCursors("")
			if err != nil {
				w.t.Fatal(err)
			}
			for _, v := range values {
				all += string(v)
			}
			return all
		}
		if !strings.Contains(stored(), "Secret anna") {
			w.t.Fatal("no answer is stored: this test sees nothing")
		}
		w.forget("anna")
		if strings.Contains(stored(), "anna") {
			w.t.Error("an answer that tells of her is still stored")
		}
	}, "a")
}

// What is answered to a request that was on its way is not kept.
func TestAnswerToWhatWasForgottenMeanwhileIsNotKept(t *testing.T) {
	inWorld(t, func(w *world) {
		arrived, answer := make(chan struct{}, 8), make(chan struct{})
		w.pipe.Serve("slow", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			<-answer
			echo(rw, r)
		}), nil)
		w.stop(time.Minute)
		w.options.Endpoints = []Endpoint{hostEndpoint("slow")}
		w.start()
		w.says("den", "anna")
		<-arrived
		w.forget("anna")
		close(answer)
		time.Sleep(10 * time.Second)
		list, err := w.eng.Attempts(w.t.Context(), w.options.Endpoints[0].ID, 100)
		if err != nil || len(list) < 2 {
			w.t.Fatalf("%v, %v", list, err)
		}
		for _, a := range list {
			if strings.Contains(a.Response, "anna") {
				w.t.Errorf("attempt %d: %s", a.Number, a.Response)
			}
		}
	}, "a")
}
