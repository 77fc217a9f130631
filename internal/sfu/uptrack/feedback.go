package uptrack

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
)

const (
	// reportInterval is the time between receiver reports while packets come.
	reportInterval = time.Second
	// minWake keeps the timer from running hot.
	minWake = 2 * time.Millisecond
	// blanks is how often the sinks are told of a mute, and blankInterval the time
	// between two: one alone may be lost.
	blanks        = 5
	blankInterval = 200 * time.Millisecond
	// maxPairs keeps a NACK within a datagram.
	maxPairs = 200
)

// wake makes the timer fire at the given time or before. The timer runs only
// while something is due: reports, repeated NACKs, repeated key frame
// requests. A silent track has none.
func (u *UpTrack) wake(at time.Time) {
	if at.IsZero() {
		return
	}
	ns := at.UnixNano()
	if armed := u.armed.Load(); armed != 0 && armed <= ns {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if armed := u.armed.Load(); u.closed || armed != 0 && armed <= ns {
		return
	}
	u.armed.Store(ns)
	d := max(at.Sub(u.now()), minWake)
	if u.timer == nil {
		u.timer = time.AfterFunc(d, u.tick)
	} else {
		u.timer.Reset(d)
	}
}

// tick runs on the timer's goroutine.
func (u *UpTrack) tick() {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return
	}
	u.armed.Store(0)
	u.wg.Add(1)
	u.mu.Unlock()
	defer u.wg.Done()

	u.tickMu.Lock() // a tick may be late and the next one early
	defer u.tickMu.Unlock()
	now := u.now()
	var next time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	sooner(u.blank(now))
	reporting := now.Sub(u.reported) >= reportInterval
	var reports []rtcp.ReceptionReport
	for i := range u.layers {
		l := u.layers[i].Load()
		if l == nil {
			continue
		}
		var asks []uint64
		l.mu.Lock()
		ssrc := l.ssrc
		if l.nacks != nil && l.nacks.Pending() > 0 {
			asks = l.nacks.Poll(now, nil)
			l.stats.NACKs += uint64(len(asks))
			sooner(l.nacks.Next())
		}
		pli := l.keyframes.Poll(now) && !l.ended
		if pli {
			l.stats.PLIs++
		}
		l.keyframeWanted.Store(l.keyframes.Wanted())
		sooner(l.keyframes.Next())
		if got := l.recv.Received(); got != l.reportedAll {
			if reporting {
				l.reportedAll = got
				if r, ok := l.recv.Report(ssrc, now); ok {
					reports = append(reports, r)
				}
			} else {
				sooner(u.reported.Add(reportInterval))
			}
		}
		l.mu.Unlock()
		u.sendNACK(ssrc, asks)
		if pli {
			u.sendPLI(ssrc)
		}
	}
	if len(reports) > 0 {
		u.reported = now
		u.write(&rtcp.ReceiverReport{SSRC: u.opts.SenderSSRC, Reports: reports})
		sooner(now.Add(reportInterval))
	}
	u.wake(next)
}

// blank tells the sinks of a mute, if that is due, and returns when it is next.
func (u *UpTrack) blank(now time.Time) (next time.Time) {
	left := u.blanks.Load()
	if left == 0 {
		return time.Time{}
	}
	if last := u.blankAt.Load(); last != nil && left < blanks && now.Before(last.Add(blankInterval)) {
		return last.Add(blankInterval)
	}
	u.turn.Lock()
	if u.muted.Load() {
		for _, s := range *u.sinks.Load() {
			s.Blank(now)
		}
	}
	u.turn.Unlock()
	u.blankAt.Store(&now)
	// A mute that ends or begins meanwhile has set the count anew.
	if u.blanks.CompareAndSwap(left, left-1) && left == 1 {
		return time.Time{}
	}
	return now.Add(blankInterval)
}

func (u *UpTrack) sendNACK(ssrc uint32, seqs []uint64) {
	if len(seqs) == 0 {
		return
	}
	short := make([]uint16, len(seqs))
	for i, seq := range seqs {
		short[i] = uint16(seq)
	}
	pairs := rtcp.NackPairsFromSequenceNumbers(short)
	for len(pairs) > 0 {
		n := min(len(pairs), maxPairs)
		u.write(&rtcp.TransportLayerNack{SenderSSRC: u.opts.SenderSSRC, MediaSSRC: ssrc, Nacks: pairs[:n]})
		pairs = pairs[n:]
	}
}

func (u *UpTrack) sendPLI(ssrc uint32) {
	u.write(&rtcp.PictureLossIndication{SenderSSRC: u.opts.SenderSSRC, MediaSSRC: ssrc})
}

// write sends feedback. It is repeated or superseded if it is lost, so an
// error changes nothing.
func (u *UpTrack) write(p rtcp.Packet) {
	if u.opts.WriteRTCP != nil {
		_ = u.opts.WriteRTCP([]rtcp.Packet{p})
	}
}

// HandleRTCP takes the publisher's RTCP, of which sender reports matter; they
// find their layer by the SSRC in them. ssrc is that of the stream they were
// read from, and decides where the transport rewrote the one inside to 0.
func (u *UpTrack) HandleRTCP(ssrc uint32, pkts []rtcp.Packet) {
	now := u.now()
	for _, p := range pkts {
		sr, ok := p.(*rtcp.SenderReport)
		if !ok || sr.NTPTime == 0 {
			continue
		}
		about := sr.SSRC
		if about == 0 {
			about = ssrc
		}
		for i := range u.layers {
			l := u.layers[i].Load()
			if l == nil {
				continue
			}
			l.mu.Lock()
			if l.ssrc == about {
				theirs := rtpstats.Time(sr.NTPTime)
				u.clock.Observe(theirs, now)
				l.recv.SenderReport(sr.NTPTime, now)
				l.sr.Store(&senderReport{ssrc: about, theirs: theirs, rtp: sr.RTPTime})
			}
			l.mu.Unlock()
		}
	}
}

// RTPTime returns the timestamp that a layer's SSRC has at a time of ours,
// through the publisher's sender reports. It is not ok without one.
func (u *UpTrack) RTPTime(layer int, ssrc uint32, at time.Time) (timestamp uint32, ok bool) {
	l := u.layer(layer)
	if l == nil {
		return 0, false
	}
	sr := l.sr.Load()
	if sr == nil || sr.ssrc != ssrc {
		return 0, false
	}
	theirs, ok := u.clock.Theirs(at)
	if !ok {
		return 0, false
	}
	return sr.rtp + uint32(rtpstats.Ticks(theirs.Sub(sr.theirs), u.opts.Codec.ClockRate)), true
}
