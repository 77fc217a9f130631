package uptrack

import "time"

// Input takes the packets of one stream. One goroutine at a time may use it.
type Input struct {
	track  *UpTrack // immutable
	layer  *upLayer // immutable
	number int      // immutable; of the layer's streams

	packet Packet
	asks   []uint64 // scratch space
}

// Receive takes one RTP packet and hands it to the sinks with the batch, which
// may be nil. It does not keep raw; sinks may change it and put it back. It reports
// false for one whose header cannot be read.
func (in *Input) Receive(raw []byte, batch Batch) (readable bool) {
	in.packet.Batch = batch
	in.asks, readable = in.track.receive(in.layer, in.number, raw, &in.packet, in.asks)
	in.packet.Batch = nil
	return readable
}

// End says that no packet follows: the layer is not live any more, unless
// another stream has taken it over.
func (in *Input) End() {
	u, l := in.track, in.layer
	l.mu.Lock()
	latest := l.stream == in.number
	if latest {
		l.ended = true
		if l.nacks != nil {
			l.nacks.Reset()
		}
	}
	l.mu.Unlock()
	if latest {
		u.liveMu.Lock()
		u.live.Store(uint32(u.liveness.End(l.index)))
		u.liveMu.Unlock()
	}
}

// receive takes one packet of the numbered stream, if it can be read. asks is scratch
// space, given back for the next call.
func (u *UpTrack) receive(l *upLayer, number int, raw []byte, p *Packet, asks []uint64) (_ []uint64, readable bool) {
	now := u.now()
	ok := len(raw) <= MaxPacket && p.parseHeader(raw)
	l.mu.Lock()
	if l.stream != number {
		l.mu.Unlock()
		return asks, ok
	}
	if !ok {
		l.stats.Malformed++
		l.mu.Unlock()
		return asks, false
	}
	v := l.accept(u, p, raw, now)
	var retry time.Time
	if v.asks {
		asks = l.nacks.Poll(now, asks[:0])
		l.stats.NACKs += uint64(len(asks))
		retry = l.nacks.Next()
	}
	l.mu.Unlock()
	if !v.forward {
		return asks, true
	}

	if !u.begun.Load() && u.begun.CompareAndSwap(false, true) && u.opts.OnFirstPacket != nil {
		u.opts.OnFirstPacket()
	}
	if v.frame {
		u.liveMu.Lock()
		u.live.Store(uint32(u.liveness.Frame(l.index, now)))
		u.liveMu.Unlock()
	}
	if v.levelKnown && u.opts.OnAudioLevel != nil {
		u.opts.OnAudioLevel(v.level, v.voice)
	}
	u.turn.Lock()
	// The order of these two loads is that of the stores in SetMuted, and in turn
	// they are so that nothing follows what Blank has written.
	if !u.muted.Load() {
		p.Epoch += u.unmutes.Load()
		p.Live = uint8(u.live.Load())
		if p.Redundant = nil; u.Redundancy() {
			u.redundancy.wrap(p)
		}
		sinks := *u.sinks.Load()
		for i, s := range sinks {
			for ahead := min(2, len(sinks)-1-i); ahead > 0; ahead-- {
				sinks[i+ahead].Prepare(ahead)
			}
			s.Write(p)
		}
	}
	u.turn.Unlock()

	if v.asks {
		u.sendNACK(p.SSRC, asks)
		u.wake(retry)
	} else if u.armed.Load() == 0 {
		u.wake(now.Add(reportInterval))
	}
	return asks, true
}
