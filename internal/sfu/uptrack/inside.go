package uptrack

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
)

// inside is what is known of the layers inside a stream. upLayer.mu guards it.
type inside struct {
	spatial   bool // there are spatial ones
	counted   bool // the sender tells how many
	structure *codec.Structure
	active    uint32 // decode targets that the sender says it makes
	liveness  layer.Liveness
	live      uint8 // spatial layers that come
	targets   uint32
	needs     [MaxLayers]uint8 // the spatial layers with which each is sent
	parts     [MaxLayers][layer.AllTemporal + 1]part
}

// part is what comes of one spatial and temporal layer alone.
type part struct {
	bytes  rtpstats.Rate
	frames rtpstats.Rate // counted as bytes are
}

// restructure begins anew with a structure. Layers count as live until they have
// not come for a while.
func (in *inside) restructure(s *codec.Structure, now time.Time) {
	parts := in.parts
	*in = inside{structure: s}
	if s.MaxSpatial == 0 {
		// All that came before is of the only layer that there is now.
		for i := range parts[1:] {
			parts[1+i] = [layer.AllTemporal + 1]part{}
		}
	}
	in.parts = parts
	if !s.Whole() || s.MaxSpatial == 0 {
		return
	}
	in.counted = true
	in.activate(s.Targets(1<<MaxLayers-1), now)
	for l := range in.needs {
		in.needs[l] = s.Needs(uint8(l))
	}
}

// activate notes which decode targets the sender makes from here on.
func (in *inside) activate(targets uint32, now time.Time) {
	added := in.structure.Spatial(targets &^ in.active)
	in.active = targets
	for l := range MaxLayers {
		if added&(1<<l) != 0 {
			in.live = in.liveness.Frame(l, now)
		}
	}
	in.targets = in.structure.Targets(in.live) & in.active
}

// expect notes how many spatial layers there are, by what VP9 itself says.
func (in *inside) expect(layers int, now time.Time) {
	for l := range MaxLayers {
		switch {
		case l >= layers:
			in.live = in.liveness.End(l)
		case !in.counted || in.live&(1<<l) == 0:
			in.live = in.liveness.Frame(l, now)
		}
	}
	in.counted = true
}

// packet counts a packet of so many bytes and says in p which layers come. newest
// says that it is the newest.
func (in *inside) packet(p *Packet, size int, newest bool, now time.Time) {
	d := &p.Descriptor
	p.Inside, p.Active = 0, 0
	if !d.HasSpatial && !d.HasTemporal {
		return
	}
	l := min(d.Spatial, MaxLayers-1)
	in.parts[l][d.Temporal].bytes.Add(size, now)
	if !d.HasSpatial {
		return
	}
	in.spatial = true
	if newest {
		in.told(p, now)
	}
	if d.LayerEnds {
		in.parts[l][d.Temporal].frames.Add(1, now)
		in.live = in.liveness.Frame(int(l), now)
		if in.structure != nil {
			in.targets = in.structure.Targets(in.live) & in.active
		}
	}
	if in.counted {
		p.Inside = in.layers()
	}
	if p.Structure != nil {
		p.Active = in.targets
	}
}

// told takes what the sender says of the layers that it makes.
func (in *inside) told(p *Packet, now time.Time) {
	if d := &p.Descriptor; p.Structure == nil {
		if d.SpatialLayers > 0 {
			in.expect(int(d.SpatialLayers), now)
		}
		// Between key frames a layer may be made without those below.
		for l := d.Spatial + 1; l < MaxLayers; l++ {
			in.needs[l] |= 1<<l | 1<<d.Spatial
			if d.Alone {
				in.needs[l] &^= 1 << d.Spatial
			}
		}
		in.needs[min(d.Spatial, MaxLayers-1)] |= 1 << min(d.Spatial, MaxLayers-1)
		return
	}
	switch f := &p.Frame; {
	case f.Active != 0:
		in.activate(f.Active, now)
	case f.Structure:
		in.activate(in.structure.Targets(1<<MaxLayers-1), now)
	}
}

// layers is the mask of the spatial layers that come.
func (in *inside) layers() uint8 {
	if in.structure != nil && in.counted {
		return in.structure.Spatial(in.targets)
	}
	return in.live
}

// rates returns what a spatial layer takes up to each temporal layer, with those
// that it is sent with, in bits per second; 0 for those that there are not.
func (in *inside) rates(l int, now time.Time) (rates [layer.AllTemporal + 1]uint64) {
	needs := uint8(1) << l
	if in.spatial {
		needs |= in.needs[l]
	}
	sum := uint64(0)
	for t := range rates {
		own := uint64(0)
		for s := range MaxLayers {
			if needs&(1<<s) != 0 {
				own += in.parts[s][t].bytes.BitsPerSecond(now)
			}
		}
		if own > 0 {
			sum += own
			rates[t] = sum
		}
	}
	return rates
}

// rate returns what all of a spatial layer takes.
func (in *inside) rate(l int, now time.Time) (rate uint64) {
	for _, r := range in.rates(l, now) {
		rate = max(rate, r)
	}
	return rate
}
