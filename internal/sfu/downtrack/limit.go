package downtrack

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Reasons for not sending. A track flows when there is none.
const (
	stopPaused  = 1 << iota // the subscriber wants nothing
	stopStarved             // its connection carries nothing of it
)

// SetPaused stops and resumes sending as the subscriber wishes; video resumes
// at a key frame.
func (d *DownTrack) SetPaused(paused bool) { d.stop(stopPaused, paused) }

// SetStarved stops and resumes sending because of what the connection
// carries. It is apart from SetPaused: each is undone by itself.
func (d *DownTrack) SetStarved(starved bool) { d.stop(stopStarved, starved) }

func (d *DownTrack) stop(reason uint32, on bool) {
	switch {
	case on:
		d.stopped.Or(reason)
	case d.stopped.Load()&reason != 0:
		// Who sees that it flows again must see that it begins anew.
		d.restarts.Add(1)
		d.stopped.And(^reason)
		d.RequestKeyframe()
	}
}

// Paused reports whether SetPaused stopped it.
func (d *DownTrack) Paused() bool { return d.stopped.Load()&stopPaused != 0 }

// Starved reports whether SetStarved stopped it.
func (d *DownTrack) Starved() bool { return d.stopped.Load()&stopStarved != 0 }

// SetMaxLayer caps the layer as the subscriber wishes. If only higher ones are
// live the lowest of them is sent. The layer changes at a key frame, which the
// next packet asks for.
func (d *DownTrack) SetMaxLayer(l int) { d.maxLayer.Store(clampLayer(l)) }

// MaxLayer returns the subscriber's cap.
func (d *DownTrack) MaxLayer() int { return int(d.maxLayer.Load()) }

// SetAllotted caps the layer by what the connection carries. The lower of both
// caps counts.
func (d *DownTrack) SetAllotted(l int) { d.allotted.Store(clampLayer(l)) }

// SetAllottedTemporal caps the temporal layer by what the connection carries.
// Without it all are sent.
func (d *DownTrack) SetAllottedTemporal(l int) {
	d.allottedTemporal.Store(int32(min(max(l, 0), layer.AllTemporal)))
}

// SetMaxFPS says that the subscriber needs no more frames a second; 0 means all.
// Of a stream with temporal layers the fewest are sent that have as many.
func (d *DownTrack) SetMaxFPS(fps uint32) { d.maxFPS.Store(fps) }

// MaxFPS returns the subscriber's wish.
func (d *DownTrack) MaxFPS() uint32 { return d.maxFPS.Load() }

// WishedTemporal returns the highest temporal layer of a layer that makes the
// frame rate that the subscriber wishes.
func (d *DownTrack) WishedTemporal(l int, now time.Time) int {
	if fps := d.maxFPS.Load(); fps != 0 {
		return d.temporalFor(fps, l, now)
	}
	return layer.AllTemporal
}

// enough is how much of a wished frame rate will do: rates are measured.
const enough = 0.85

// temporalFor is the lowest temporal layer of a layer that has so many frames.
func (d *DownTrack) temporalFor(fps uint32, l int, now time.Time) int {
	rates := d.src.FrameRates(l, now)
	for t, rate := range rates {
		if rate >= enough*float64(fps) {
			return t
		}
	}
	return layer.AllTemporal
}

func clampLayer(l int) int32 { return int32(min(max(l, 0), uptrack.MaxLayers-1)) }

// limit is the highest layer to send.
func (d *DownTrack) limit() int { return int(min(d.maxLayer.Load(), d.allotted.Load())) }

// RequestKeyframe asks the publisher for one of the best layer there may be.
func (d *DownTrack) RequestKeyframe() {
	if d.gate && d.binding.Load() != nil && d.stopped.Load() == 0 {
		d.src.RequestKeyframe(d.limit())
	}
}
