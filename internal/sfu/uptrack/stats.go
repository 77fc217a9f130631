package uptrack

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
)

// Stats is a snapshot of a track.
type Stats struct {
	Muted  bool
	Sinks  int
	Layers []LayerStats // one per layer that had a stream, lowest first
}

// LayerStats is a snapshot of one layer.
type LayerStats struct {
	Layer int
	RID   string
	SSRC  uint32
	Live  bool // packets arrive

	Packets   uint64 // received, duplicates and padding included
	Octets    uint64 // of payload
	Bitrate   uint64 // bits per second over the last second, headers included
	Frames    uint64 // begun, or played together: of sound a frame is a packet
	Keyframes uint64
	// KeyframeSeq is the number, as Retrieve takes it, of the packet with which the last
	// one begins; 0 before the first.
	KeyframeSeq uint64
	Lost        int64 // expected minus received, RFC 3550 §6.4.1
	Duplicates  uint64
	Malformed   uint64 // unparsable, too long, or of a foreign payload type

	NACKs     uint64 // packets asked for, repeats included
	Recovered uint64 // packets that came because they were asked for
	PLIs      uint64 // sent

	Jitter     time.Duration
	RTT        time.Duration // to the publisher: the connection's, else of retransmissions; 0 if unknown
	LastPacket time.Time
}

// Stats returns a snapshot.
func (u *UpTrack) Stats() Stats {
	s := Stats{Muted: u.muted.Load(), Sinks: len(*u.sinks.Load())}
	now, live := u.now(), u.live.Load()
	for i := range u.layers {
		l := u.layers[i].Load()
		if l == nil {
			continue
		}
		l.mu.Lock()
		ls := l.stats
		ls.Layer, ls.RID, ls.SSRC, ls.KeyframeSeq = i, l.info.RID, l.ssrc, l.keyframeSeq
		ls.Live = live&(1<<i) != 0
		ls.Bitrate = l.rate.BitsPerSecond(now)
		ls.Lost = l.recv.Lost()
		ls.Jitter = l.recv.Jitter()
		ls.LastPacket = l.lastPacket
		if ls.RTT = u.opts.RTT(); ls.RTT == 0 && l.nacks != nil {
			ls.RTT = l.nacks.RTT()
		}
		l.mu.Unlock()
		s.Layers = append(s.Layers, ls)
	}
	return s
}

// Rates returns what each layer takes, inside one stream with those that are sent
// with it, in bits per second over the last second, headers included; 0 where nothing
// arrives. It costs less than Stats.
func (u *UpTrack) Rates(now time.Time) (rates [MaxLayers]uint64) {
	live := u.live.Load()
	for i := range u.layers {
		l := u.layers[i].Load()
		if l == nil || live&(1<<i) == 0 {
			continue
		}
		l.mu.Lock()
		rates[i] = l.rate.BitsPerSecond(now)
		if l.inside.spatial {
			rates[i] = 0
			for s := range MaxLayers {
				if l.inside.layers()&(1<<s) != 0 {
					rates[s] = l.inside.rate(s, now)
				}
			}
		}
		l.mu.Unlock()
	}
	return rates
}

// OwnRates returns what each layer takes alone, inside one stream or in a stream of its
// own, in bits per second over the last second, headers included.
func (u *UpTrack) OwnRates(now time.Time) (rates [MaxLayers]uint64) {
	l := u.layers[0].Load()
	if l == nil {
		return u.StreamRates(now)
	}
	l.mu.Lock()
	inside := l.inside.spatial
	for s := range l.inside.parts {
		for t := range l.inside.parts[s] {
			rates[s] += l.inside.parts[s][t].bytes.BitsPerSecond(now)
		}
	}
	l.mu.Unlock()
	if inside {
		return rates
	}
	return u.StreamRates(now)
}

// StreamRates returns what each stream takes, whatever layers are inside it, in
// bits per second over the last second, headers included.
func (u *UpTrack) StreamRates(now time.Time) (rates [MaxLayers]uint64) {
	for i := range u.layers {
		if l := u.layers[i].Load(); l != nil {
			l.mu.Lock()
			rates[i] = l.rate.BitsPerSecond(now)
			l.mu.Unlock()
		}
	}
	return rates
}

// TemporalRates returns what a layer takes up to each of its temporal layers,
// the first of them the base; 0 for those that it does not have. A layer inside a
// stream takes what is sent with it, too.
func (u *UpTrack) TemporalRates(i int, now time.Time) (rates [layer.AllTemporal + 1]uint64) {
	l, spatial := u.layerOf(i)
	if l == nil {
		return rates
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inside.rates(spatial, now)
}

// FrameRates returns how many frames a second a layer has up to each of its
// temporal layers; 0 for those that it does not have. Of the layers inside a stream
// it is the highest up to that one that comes.
func (u *UpTrack) FrameRates(i int, now time.Time) (rates [layer.AllTemporal + 1]float64) {
	l, spatial := u.layerOf(i)
	if l == nil {
		return rates
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inside.spatial {
		spatial = layer.Target(l.inside.layers(), spatial, -1)
	}
	sum := 0.0
	for t := range rates {
		if rate := float64(l.inside.parts[spatial][t].frames.BitsPerSecond(now)) / 8; rate > 0 {
			sum += rate
			rates[t] = sum
		}
	}
	return rates
}

// layerOf finds a layer, which may be inside the only stream.
func (u *UpTrack) layerOf(i int) (l *upLayer, spatial int) {
	if l = u.layers[0].Load(); l != nil && i > 0 && i < MaxLayers {
		l.mu.Lock()
		inside := l.inside.spatial
		l.mu.Unlock()
		if inside {
			return l, i
		}
	}
	return u.layer(i), 0
}

// Live returns the mask of layers from which packets arrive, inside one stream or
// in streams of their own.
func (u *UpTrack) Live() uint8 {
	live := uint8(u.live.Load())
	l := u.layers[0].Load()
	if l == nil || live != 1 {
		return live
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.inside.spatial {
		return live
	}
	return l.inside.layers()
}
