package room

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

func (c *client) simulates(s *livekit.SimulateScenario) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Simulate{Simulate: s}})
}

// spoken returns who the client was told to speak, or to have stopped.
func (c *client) spoken() string {
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	var words []string
	for _, m := range c.sink.messages {
		for _, s := range m.GetSpeakersChanged().GetSpeakers() {
			word := c.tc.identities[s.Sid] + " stops"
			if s.Active {
				word = c.tc.identities[s.Sid] + " speaks"
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

func TestSimulatedSpeechIsToldToAllAndEnds(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.simulates(&livekit.SimulateScenario{Scenario: &livekit.SimulateScenario_SpeakerUpdate{SpeakerUpdate: 3}})
		sleep(5 * time.Second)
		for _, c := range []*client{alice, bob} {
			if got := c.spoken(); got != "alice speaks, alice stops" {
				t.Errorf("%s was told %q", c.join.Identity, got)
			}
		}
		alice.leave()
		bob.leave()
		tc.mu.Lock()
		defer tc.mu.Unlock()
		for _, e := range tc.beyond {
			if e.Name == event.ParticipantSpoke {
				t.Error("it is an event")
			}
		}
	})
}

func TestResumeThatIsCutMayBeTriedAgain(t *testing.T) {
	for _, first := range []bool{false, true} {
		inBubble(t, Options{}, func(tc *test) {
			alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
			scenario := &livekit.SimulateScenario{Scenario: &livekit.SimulateScenario_DisconnectSignalOnResume{DisconnectSignalOnResume: true}}
			if first {
				scenario.Scenario = &livekit.SimulateScenario_DisconnectSignalOnResumeNoMessages{DisconnectSignalOnResumeNoMessages: true}
			}
			alice.simulates(scenario)
			bob.heard()
			cut := alice.resume(nil)
			if told := len(cut.heard()) > 0; told == first || !cut.sink.closed {
				t.Errorf("cut first %v: told %v, closed %v", first, told, cut.sink.closed)
			}
			again := cut.resume(nil)
			if heard := again.heard(); !slices.Contains(heard, "reconnect") || again.sink.closed {
				t.Errorf("the second resume: %v", heard)
			}
			bob.wantHeard("nothing of it")
			again.leave()
			bob.leave()
		})
	}
}

func TestRequestsThatCannotBeGrantedAreAnswered(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.heard()
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateAudioTrack{UpdateAudioTrack: &livekit.UpdateLocalAudioTrack{TrackSid: "TR_no"}}})
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateVideoTrack{UpdateVideoTrack: &livekit.UpdateLocalVideoTrack{TrackSid: "TR_no"}}})
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: "TR_no"}}})
		alice.wantHeard("what is not there", "response NOT_FOUND", "response NOT_FOUND", "response NOT_FOUND")
		alice.leave()
		if _, err := tc.reg.List(context.Background(), nil); err != nil {
			t.Error(err)
		}
	})
}
