package uptrack

import "time"

// readSize is more than any datagram of ours holds.
const readSize = 2048

// run reads one stream until it ends. It is the packet path.
func (u *UpTrack) run(l *upLayer, number int, s Stream) {
	defer u.wg.Done()
	buf := make([]byte, readSize)
	p := new(Packet)
	var asks []uint64
	for {
		n, err := s.Read(buf)
		if err != nil {
			break
		}
		asks = u.receive(l, number, buf[:n], p, asks)
	}
	l.mu.Lock()
	latest := l.stream == number
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

// receive takes one packet of the numbered stream. asks is scratch space,
// given back for the next call.
func (u *UpTrack) receive(l *upLayer, number int, raw []byte, p *Packet, asks []uint64) []uint64 {
	now := u.now()
	ok := p.parseHeader(raw)
	l.mu.Lock()
	if l.stream != number {
		l.mu.Unlock()
		return asks
	}
	if !ok {
		l.stats.Malformed++
		l.mu.Unlock()
		return asks
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
		return asks
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
	// The order of these two loads is that of the stores in SetMuted.
	if !u.muted.Load() {
		p.Epoch += u.unmutes.Load()
		p.Live = uint8(u.live.Load())
		for _, s := range *u.sinks.Load() {
			s.Write(p)
		}
	}

	if v.asks {
		u.sendNACK(p.SSRC, asks)
		u.wake(retry)
	} else if u.armed.Load() == 0 {
		u.wake(now.Add(reportInterval))
	}
	return asks
}
