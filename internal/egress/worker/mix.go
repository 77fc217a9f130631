package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/thesyncim/gopus"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/mix"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// How long sound waits for that of others that was captured at the same time.
const (
	mixWait  = 300 * time.Millisecond // at most
	leastMix = 120 * time.Millisecond
	oneWait  = 40 * time.Millisecond // nobody else speaks
	// mixIdle is when silence goes on though nothing comes.
	mixIdle = time.Second
)

// mixBitrate is that of the mix unless the request says so, in bits a second.
const mixBitrate = 96_000

// NewMix begins a job of the sound of many tracks together, or of the samples of one.
// Files get it encoded again, a WebSocket as it is.
func NewMix(job wire.Job, say func(wire.Report)) (Recorder, error) {
	m := &mixed{say: say, mixer: mix.New(), tracks: make(map[uint16]wire.Track), block: make([]int16, mix.Block*mix.Channels), packet: make([]byte, 4000),
		lag: frames.NewLag(leastMix, mixWait)}
	for i, o := range job.Outputs {
		switch o.Kind {
		case wire.File:
			m.sinks = append(m.sinks, &fileSink{job: job, output: i, say: say})
		case wire.Segments:
			m.sinks = append(m.sinks, &segmentSink{job: job, output: i, say: say})
		case wire.Socket:
			s, err := dialSocket(o.Destinations[0])
			if err != nil {
				return nil, errors.Join(err, m.Abandon())
			}
			m.socket = s
		default:
			return nil, fmt.Errorf("no output of kind %s for sound", o.Kind)
		}
	}
	var err error
	m.encoder, err = gopus.NewEncoder(gopus.EncoderConfig{SampleRate: mix.Rate, Channels: mix.Channels, Application: gopus.ApplicationAudio})
	if err == nil {
		bitrate := mixBitrate
		if job.Encoding != nil {
			bitrate = job.Encoding.AudioBitrate * 1000
		}
		err = m.encoder.SetBitrate(bitrate)
	}
	if err != nil {
		return nil, errors.Join(err, m.Abandon())
	}
	return m, nil
}

var _ Patient = (*mixed)(nil)

type mixed struct {
	say     func(wire.Report)
	mixer   *mix.Mixer
	tracks  map[uint16]wire.Track
	sinks   []sink  // of Opus
	socket  *socket // nil without
	encoder *gopus.Encoder
	block   []int16
	packet  []byte
	lag     *frames.Lag

	latest time.Time // up to when all has been captured that is here
	came   time.Time // when that was here
	begun  time.Time
}

// Track implements Recorder.
func (m *mixed) Track(t wire.Track) error {
	if codec, err := container.CodecOf(t.MimeType); err != nil || codec != container.Opus {
		return nil
	}
	before, known := m.tracks[t.Number]
	m.tracks[t.Number] = t
	if m.socket != nil && (!known && t.Muted || known && before.Muted != t.Muted) {
		if err := m.socket.muted(t.Muted); err != nil {
			return err
		}
	}
	return m.mixer.Add(t.Number, map[string]mix.Side{"left": mix.Left, "right": mix.Right}[t.Side])
}

// Gone implements Recorder.
func (m *mixed) Gone(track uint16) error {
	delete(m.tracks, track)
	m.mixer.Remove(track)
	m.lag.Forget(track)
	return nil
}

// Gap implements Patient.
func (m *mixed) Gap(track uint16, open bool) error {
	if _, ok := m.tracks[track]; ok {
		m.lag.Gap(track, open)
	}
	return nil
}

// Frame implements Recorder.
func (m *mixed) Frame(track uint16, f frames.Frame, _ func()) error {
	if _, ok := m.tracks[track]; !ok {
		return nil
	}
	m.mixer.Push(track, f.At, f.Data)
	if m.begun.IsZero() && !m.mixer.Begin().IsZero() {
		if err := m.start(); err != nil {
			return err
		}
	}
	now := time.Now()
	m.lag.Came(track, f.At, now)
	latest := f.At
	if f.Came.Before(latest) {
		latest = f.Came // whose clock is ahead hurries nobody
	}
	if latest.After(m.latest) {
		m.latest, m.came = latest, now
	}
	wait := m.lag.Wait()
	if m.mixer.Tracks() == 1 {
		wait = oneWait
	}
	return m.drain(m.latest.Add(20*time.Millisecond - wait))
}

func (m *mixed) start() error {
	m.begun = m.mixer.Begin()
	for _, s := range m.sinks {
		if err := s.open([]container.Track{{Codec: container.Opus, Channels: mix.Channels}}, m.begun); err != nil {
			return err
		}
	}
	m.say(wire.Report{Kind: wire.Active, Begun: m.begun.UnixNano()})
	return nil
}

// drain hands on what was captured before that time.
func (m *mixed) drain(until time.Time) error {
	for {
		at, ok := m.mixer.Take(until, m.block)
		if !ok {
			return nil
		}
		if m.socket != nil {
			if err := m.socket.pcm(m.block); err != nil {
				return err
			}
		}
		if len(m.sinks) == 0 {
			continue
		}
		n, err := m.encoder.EncodeInt16(m.block, m.packet)
		if err != nil {
			return fmt.Errorf("encode sound: %w", err)
		}
		packet := m.packet[:n]
		if n < 3 {
			packet = silence // what the encoder need not send
		}
		for _, s := range m.sinks {
			if err := s.write(container.Frame{At: at, Key: true, Data: packet}, func() {}); err != nil {
				return err
			}
		}
	}
}

// Control implements Recorder: there is nothing to change.
func (m *mixed) Control(wire.Control) error { return nil }

// Tick implements Recorder. When all are silent so is the file, and it goes on; a
// WebSocket hears nothing then.
func (m *mixed) Tick(now time.Time) error {
	if m.socket == nil && !m.begun.IsZero() && now.Sub(m.came) > mixIdle {
		if err := m.drain(now.Add(-mixIdle)); err != nil {
			return err
		}
	}
	for _, s := range m.sinks {
		if err := s.flush(now); err != nil {
			return err
		}
	}
	return nil
}

// Finish implements Recorder.
func (m *mixed) Finish(time.Time) (wire.Report, error) {
	if m.begun.IsZero() {
		return wire.Report{}, errors.Join(ErrNothing, m.Abandon())
	}
	if err := m.drain(m.latest.Add(20 * time.Millisecond)); err != nil {
		return wire.Report{}, errors.Join(err, m.Abandon())
	}
	r := wire.Report{Begun: m.begun.UnixNano()}
	for _, s := range m.sinks {
		made, err := s.close()
		if err != nil {
			return r, err
		}
		r.Made = append(r.Made, made)
	}
	if m.socket != nil {
		r.Made = append(r.Made, nil)
		return r, m.socket.close()
	}
	return r, nil
}

// Lacks implements Recorder: silence is as all that is mixed.
func (m *mixed) Lacks() wire.Lacks { return wire.Lacks{} }

// Abandon implements Recorder.
func (m *mixed) Abandon() (err error) {
	for _, s := range m.sinks {
		_, e := s.close()
		err = errors.Join(err, e)
	}
	if m.socket != nil {
		err = errors.Join(err, m.socket.close())
	}
	return err
}
