package uptrack

import "time"

// Packet is a parsed RTP packet on its way to the sinks. It is valid during
// Sink.Write only.
type Packet struct {
	Layer int
	// Epoch changes whenever a layer's packets stop being a continuation of
	// the ones before: another SSRC, a sequence jump, the end of a mute.
	Epoch uint32
	// Live has bit n set while layer n is live.
	Live uint8

	SSRC        uint32
	Seq         uint64 // extended, unique within the layer for the track's life
	Timestamp   uint32
	Marker      bool
	PayloadType uint8
	Payload     []byte // without padding; empty in a padding-only packet
	Keyframe    bool   // first packet of a key frame; audio: always true

	Arrival time.Time
}
