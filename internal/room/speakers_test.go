package room

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// silent is the level of a microphone that hears nothing, in -dBov.
const silent = 127

// voice is a microphone whose packets say how loud it is.
type voice struct {
	*fakeReceiver
	in    *uptrack.Input
	level uint8 // -dBov
	next  rtp.Packet
}

// chunk is how much sound is in a packet of a voice.
const chunk = 100 * time.Millisecond

// speak sends the sound of one chunk.
func (v *voice) speak() {
	p := &v.next
	p.SequenceNumber++
	p.Timestamp += uint32(chunk.Seconds() * 48000)
	if err := p.SetExtension(1, []byte{0x80 | v.level}); err != nil {
		panic("BUG: " + err.Error())
	}
	raw, err := p.Marshal()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	v.in.Receive(raw, nil)
}

// voices are a choir of clients and what their SDKs hold true of who speaks.
type voices struct {
	*test
	all     []*hearer
	counter int
}

// hearer is a client with what its SDK has made of what it was told.
type hearer struct {
	*client
	self   string             // its own sid
	known  map[string]bool    // sids of the others
	speaks map[string]float32 // levels of who speaks, by sid

	mic                *voice // nil: it publishes none
	camera             *fakeReceiver
	hidden, deafened   bool // by its permission
	cut                bool // its signal connection is dead, which the server need not know
	muted, closed, off bool // its microphone; to others; by their choice
}

// hear takes what the client was told. As SDKs do, it takes no word of somebody it does
// not know, and goes on to hold for true what it was told of who has left.
func (h *hearer) hear() {
	synctest.Wait()
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	for _, m := range h.sink.messages {
		if !h.cut {
			h.take(m)
		}
	}
	h.sink.messages = nil
}

func (h *hearer) take(m *livekit.SignalResponse) {
	switch m := m.Message.(type) {
	case *livekit.SignalResponse_Join:
		h.self = m.Join.Participant.Sid
		h.meet(m.Join.OtherParticipants)
	case *livekit.SignalResponse_Update:
		h.meet(m.Update.Participants)
	case *livekit.SignalResponse_RoomMoved:
		level, own := h.speaks[h.self]
		delete(h.speaks, h.self)
		h.self = m.RoomMoved.Participant.Sid
		if own {
			h.speaks[h.self] = level
		}
		clear(h.known)
		h.meet(m.RoomMoved.OtherParticipants)
	case *livekit.SignalResponse_SpeakersChanged:
		for _, s := range m.SpeakersChanged.Speakers {
			switch {
			case s.Sid != h.self && !h.known[s.Sid]:
			case s.Active:
				h.speaks[s.Sid] = s.Level
			default:
				delete(h.speaks, s.Sid)
			}
		}
	}
}

func (h *hearer) meet(infos []*livekit.ParticipantInfo) {
	for _, info := range infos {
		switch {
		case info.Sid == h.self:
		case info.State == livekit.ParticipantInfo_DISCONNECTED:
			delete(h.known, info.Sid)
		default:
			h.known[info.Sid] = true
		}
	}
}

// enter has somebody join.
func (v *voices) enter(room, identity string) *hearer {
	h := &hearer{client: v.test.enter(room, identity), known: make(map[string]bool), speaks: make(map[string]float32)}
	v.all = append(v.all, h)
	return h
}

// pass lets time pass, in which microphones hear what they do.
func (v *voices) pass(d time.Duration) {
	for ; d > 0; d -= chunk {
		for _, h := range v.all {
			if h.mic != nil {
				h.mic.speak()
			}
		}
		sleep(chunk)
	}
	for _, h := range v.all {
		h.hear()
	}
}

func (v *voices) publishes(h *hearer, level uint8) {
	v.counter++
	cid := fmt.Sprint("mic", v.counter)
	up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: "audio/opus", ClockRate: 48000, Channels: 2}, AudioLevelExt: 1})
	ssrc := uint32(v.counter)
	h.mic = &voice{
		fakeReceiver: &fakeReceiver{id: cid, kind: "audio", up: up},
		in:           up.AddStream(uptrack.StreamInfo{SSRC: ssrc}),
		level:        level,
		next:         rtp.Packet{Header: rtp.Header{Version: 2, SSRC: ssrc}, Payload: []byte{1, 2, 3}},
	}
	h.muted = false
	h.announce(cid, livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
	h.h.berth.post(func(_ *state, p *participant) { p.receiverReady(h.mic.fakeReceiver) })
	synctest.Wait()
}

func (h *hearer) unpublishes() {
	h.end(h.mic.fakeReceiver)
	h.mic.in.End()
	h.mic.up.Close()
	h.mic = nil
}

func (h *hearer) mutes(muted bool) {
	for _, t := range h.p().tracks {
		if t.receiver == Receiver(h.mic.fakeReceiver) {
			h.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: t.info.Sid, Muted: muted}}})
			h.muted = muted
		}
	}
}

// chooses has h receive what other publishes now, or not.
func (h *hearer) chooses(other *hearer, subscribe bool) {
	var sids []string
	for _, t := range other.p().tracks {
		sids = append(sids, t.info.Sid)
	}
	h.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{
		Subscription: &livekit.UpdateSubscription{TrackSids: sids, Subscribe: subscribe},
	}})
}

// permitted makes h's permission what it is to be.
func (h *hearer) permitted() {
	_, err := h.tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
		Room: h.join.Room, Identity: h.join.Identity,
		Permission: &livekit.ParticipantPermission{CanSubscribe: !h.deafened, CanPublish: true, CanPublishData: true, Hidden: h.hidden},
	})
	if err != nil {
		h.tc.t.Fatal(err)
	}
	synctest.Wait()
}

// loses has the signal connection die; the server notices it, or not yet.
func (h *hearer) loses(noticed bool) {
	h.hear()
	h.cut = true
	if noticed {
		h.h.SignalLost(h.sink)
		synctest.Wait()
	}
}

func (h *hearer) returns() {
	h.hear()
	h.client = h.resume(nil)
	h.cut = false
	h.hear()
}

func (v *voices) leaves(h *hearer) {
	h.leave()
	if h.mic != nil {
		h.mic.in.End()
		h.mic.up.Close()
	}
	v.all = slices.DeleteFunc(v.all, func(x *hearer) bool { return x == h })
}

func (v *voices) moves(h *hearer, to string) {
	if err := v.move(h.client, to); err != nil {
		v.t.Fatal(err)
	}
	h.join = joinOf(to, h.join.Identity)
	h.off = false
}

// want checks what every client holds true: those speak, as loud as that, whom it hears
// and who do, and nobody else.
func (v *voices) want(why string) {
	v.t.Helper()
	for _, h := range v.all {
		want := make(map[string]float32)
		for _, other := range v.all {
			levels := map[uint8]float32{10: 0.375, 20: 0.125}
			if other.mic == nil || other.muted || levels[other.mic.level] == 0 || other.room() != h.room() {
				continue
			}
			hears := other == h
			for _, sub := range h.p().subscriptions {
				hears = hears || sub.track.owner == other.p()
			}
			if hears {
				want[other.h.SID()] = levels[other.mic.level]
			}
		}
		names := func(m map[string]float32) map[string]float32 {
			named := make(map[string]float32, len(m))
			for sid, level := range m {
				named[v.identities[sid]+" "+sid] = level
			}
			return named
		}
		if diff := cmp.Diff(names(want), names(h.speaks)); diff != "" {
			v.t.Errorf("%s: of who speaks %s holds true (-want +got)\n%s", why, h.join.Identity, diff)
		}
	}
}

// inChoir runs fn in virtual time, and ends what is left of the microphones.
func inChoir(t *testing.T, fn func(v *voices)) {
	t.Helper()
	inBubble(t, Options{}, func(tc *test) {
		v := &voices{test: tc}
		fn(v)
		for _, h := range slices.Clone(v.all) {
			v.leaves(h)
		}
	})
}

// Whatever happens to tracks, permissions and connections: SDKs are told of changes only,
// so of each voice each client is told that it begins, and that it ends, or somebody
// speaks for ever.
func TestNobodySpeaksForEverAndNobodyIsOverheard(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	levels := []uint8{10, 20, 40, silent}
	for seed := range rounds {
		random := rand.New(rand.NewPCG(uint64(seed), 23))
		var done []string
		inChoir(t, func(v *voices) {
			for i, room := range []string{"den", "den", "den", "attic"} {
				h := v.enter(room, fmt.Sprint("p", i))
				v.publishes(h, levels[random.IntN(len(levels))])
			}
			entered := len(v.all)
			for range 40 {
				h, other := v.all[random.IntN(len(v.all))], v.all[random.IntN(len(v.all))]
				act := random.IntN(16)
				done = append(done, fmt.Sprintf("%d by %s at %s", act, h.join.Identity, other.join.Identity))
				switch {
				case h.cut && act < 8:
					h.returns()
				case h.cut:
					// Its client cannot say anything.
				case act < 3 && h.mic != nil:
					h.mic.level = levels[random.IntN(len(levels))]
				case act == 3 && h.mic == nil:
					v.publishes(h, levels[random.IntN(len(levels))])
				case act == 3:
					h.unpublishes()
				case act == 4 && h.mic != nil:
					h.mutes(!h.muted)
				case act == 5 && h != other:
					h.off = !h.off
					h.chooses(other, !h.off)
				case act == 6:
					h.closed = !h.closed
					h.allow(!h.closed)
				case act == 7:
					h.hidden = !h.hidden
					h.permitted()
				case act == 8:
					h.deafened = !h.deafened
					h.permitted()
				case act == 9 && h.camera == nil:
					h.camera = h.publishCamera()
				case act == 9:
					h.end(h.camera)
					h.camera = nil
				case act == 10:
					h.loses(random.IntN(2) == 0)
				case act == 11:
					h.returns()
				case act == 12 && len(v.all) > 2:
					v.leaves(h)
				case act == 13 && len(v.all) < 5:
					late := v.enter([]string{"den", "attic"}[random.IntN(2)], fmt.Sprint("p", entered))
					entered++
					v.publishes(late, levels[random.IntN(len(levels))])
				case act == 14:
					v.moves(h, map[string]string{"den": "attic", "attic": "den"}[h.join.Room])
				}
				// All of it is shorter than a dead connection may be taken for a good one.
				v.pass(time.Duration(random.IntN(12)) * chunk)
			}
			for _, h := range v.all {
				if h.cut {
					h.returns()
				}
			}
			v.pass(4 * time.Second)
			v.want("when all is said")
		})
		if t.Failed() {
			t.Fatalf("seed %d: %q", seed, done)
		}
	}
}

func TestWhoComesLateHearsOfAVoiceThatDoesNotChange(t *testing.T) {
	inChoir(t, func(v *voices) {
		alice := v.enter("den", "alice")
		v.publishes(alice, 10)
		v.pass(4 * time.Second)
		bob := v.enter("den", "bob")
		v.pass(chunk)
		v.want("it has just come")
		if len(bob.speaks) != 1 {
			t.Errorf("bob was told %v", bob.speaks)
		}
	})
}

// An SDK takes no word of who is hidden from it, and shows a voice that it was told of.
func TestVoiceOfWhoIsHiddenEndsBefore(t *testing.T) {
	inChoir(t, func(v *voices) {
		alice, _ := v.enter("den", "alice"), v.enter("den", "bob")
		v.publishes(alice, 10)
		v.pass(4 * time.Second)
		alice.hidden = true
		alice.permitted()
		v.pass(chunk)
		v.want("hidden while it speaks")
		alice.hidden = false
		alice.permitted()
		v.pass(chunk)
		v.want("there again, and speaks")
	})
}

func TestVoicesOfWhoLeftMeanwhileEndForWhoResumes(t *testing.T) {
	for what, leaves := range map[string]func(v *voices, h *hearer){
		"left":      (*voices).leaves,
		"was moved": func(v *voices, h *hearer) { v.moves(h, "attic") },
		"was hidden": func(_ *voices, h *hearer) {
			h.hidden = true
			h.permitted()
		},
		"fell silent and left": func(v *voices, h *hearer) {
			h.mic.level = silent
			v.pass(3 * time.Second)
			v.leaves(h)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inChoir(t, func(v *voices) {
				alice, bob := v.enter("den", "alice"), v.enter("den", "bob")
				v.publishes(alice, 10)
				v.pass(4 * time.Second)
				v.want("both there")
				bob.loses(false)
				leaves(v, alice)
				v.pass(10 * time.Second)
				bob.returns()
				v.want("there again")
			})
		})
	}
}

func TestVoiceOfWhoIsMovedEndsForItself(t *testing.T) {
	inChoir(t, func(v *voices) {
		alice, _ := v.enter("den", "alice"), v.enter("attic", "bob")
		v.publishes(alice, 10)
		v.pass(4 * time.Second)
		v.moves(alice, "attic")
		v.pass(chunk)
		v.want("moved while it speaks")
		alice.mutes(true)
		v.moves(alice, "den")
		v.pass(time.Second)
		v.want("moved in the moment in which it falls silent")
	})
}
