package room

import (
	"math"
	"time"

	"github.com/livekit/protocol/livekit"
)

// speakerInterval is how often audio levels are looked at while anybody could speak.
const speakerInterval = 400 * time.Millisecond

// speakerState is what clients were last told of a participant's voice.
type speakerState struct {
	active bool
	level  float32
}

// tickSpeakers tells clients whose voice began, ended or changed its level. The
// clock runs only while an unmuted microphone is published.
func (s *state) tickSpeakers() {
	var changed, spoke []*participant
	microphones := false
	for _, p := range s.participants {
		now, audible := p.voice(s.now)
		microphones = microphones || audible
		p.followSpeech(now)
		now, pretends := p.simulation.speech(s.now, now)
		microphones = microphones || pretends
		p.simulation.speaking = pretends || p.simulation.speaking
		if now != p.speaking {
			if now.active != p.speaking.active {
				spoke = append(spoke, p)
			}
			p.speaking, p.voiceAt = now, s.now
			changed = append(changed, p)
		}
	}
	if microphones {
		s.wakeAt(s.now.Add(speakerInterval))
	}
	if len(changed) == 0 {
		return
	}
	for _, p := range spoke {
		p.prioritizeTracks()
	}
	for _, listener := range s.participants {
		var infos []*livekit.SpeakerInfo
		for _, p := range changed {
			if listener.hears(p) {
				infos = append(infos, p.speakerInfo())
			}
		}
		listener.sendSpeakers(infos)
	}
	for _, p := range changed {
		p.simulation.speaking = p.simulation.speaking && p.speaking.active
	}
}

// prioritizeTracks puts the tracks of who began or stopped to speak in their place.
func (p *participant) prioritizeTracks() {
	for _, listener := range p.state.participants {
		for _, t := range p.tracks {
			if sub := listener.subscriptions[t.info.Sid]; sub != nil {
				sub.prioritize()
			}
		}
	}
}

// voice returns how loud p speaks now, in steps of one eighth so that a steady
// voice is no change, and whether it has a microphone that could be heard.
func (p *participant) voice(now time.Time) (v speakerState, audible bool) {
	for _, t := range p.tracks {
		if t.info.Source != livekit.TrackSource_MICROPHONE || t.info.Muted {
			continue
		}
		audible = true
		if level, speaking := t.receiver.UpTrack().AudioLevel(now); speaking {
			v.active = true
			v.level = max(v.level, float32(math.Ceil(level*8)/8))
		}
	}
	return v, audible
}

// hears says whether p is told of the voice of speaker: its own, and those whose
// tracks it has.
func (p *participant) hears(speaker *participant) bool {
	if p == speaker {
		return true
	}
	if speaker.simulation.speaking && speaker.visible() {
		return true
	}
	for _, t := range speaker.tracks {
		if p.subscriptions[t.info.Sid] != nil {
			return true
		}
	}
	return false
}

// tellVoices tells p again whose voices it hears, and which have ended since.
func (p *participant) tellVoices(since time.Time) {
	var infos []*livekit.SpeakerInfo
	for _, other := range p.state.inOrder {
		switch {
		case other != p && !other.visible():
		case other.speaking.active && p.hears(other):
			infos = append(infos, other.speakerInfo())
		case other.speaking.active || other.voiceAt.After(since):
			infos = append(infos, &livekit.SpeakerInfo{Sid: other.sid})
		}
	}
	p.sendSpeakers(infos)
}

// tellEndedVoices ends for p the voices of who has left since. It comes before p is told
// that they have left: SDKs take no word of who is not there, and show whom they were told of.
func (p *participant) tellEndedVoices(since time.Time) {
	var infos []*livekit.SpeakerInfo
	for _, d := range p.state.departures.kept {
		if d.at.After(since) && d.voice.After(since) {
			infos = append(infos, &livekit.SpeakerInfo{Sid: d.info.Sid})
		}
	}
	p.sendSpeakers(infos)
}

// heardLast is when p spoke last, or when clients were told that it does not any more.
func (p *participant) heardLast() time.Time {
	if p.speaking.active {
		return p.state.now
	}
	return p.voiceAt
}

func (p *participant) speakerInfo() *livekit.SpeakerInfo {
	return &livekit.SpeakerInfo{Sid: p.sid, Level: p.speaking.level, Active: p.speaking.active}
}

func (p *participant) sendSpeakers(infos []*livekit.SpeakerInfo) {
	if len(infos) == 0 {
		return
	}
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_SpeakersChanged{
		SpeakersChanged: &livekit.SpeakersChanged{Speakers: infos},
	}})
}

// voiceHeard tells p of a voice that it begins to hear while it is speaking.
func (p *participant) voiceHeard(speaker *participant) {
	if speaker.speaking.active {
		p.sendSpeakers([]*livekit.SpeakerInfo{speaker.speakerInfo()})
	}
}

// voiceLost ends a voice that p no longer hears, so that nobody speaks for ever.
func (p *participant) voiceLost(speaker *participant) {
	if speaker.speaking.active && !p.hears(speaker) {
		p.sendSpeakers([]*livekit.SpeakerInfo{{Sid: speaker.sid}})
	}
}
