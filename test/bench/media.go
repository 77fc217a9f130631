package main

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/pion/rtp"
)

// source makes the packets of one published track, a burst at a time.
type source interface {
	// interval is the time between bursts.
	interval() time.Duration
	// burst returns the next packets, valid until the next call.
	burst(keyframe bool) []*rtp.Packet
}

// Video as a camera makes it at 1.5 Mbit/s: 30 frames a second, each a burst of
// packets with the payload descriptor of RFC 7741 in full (15-bit picture id,
// TL0PICIDX, TID and KEYIDX), so that the server has all of it to rewrite.
const (
	videoInterval     = time.Second / 30
	videoClock        = 90000
	videoPayload      = 1200 // bytes, descriptor included
	videoFramePackets = 5    // 5 × (1200 + 12) × 8 × 30 = 1.45 Mbit/s, and SRTP's tag
	videoKeyPackets   = 20
	videoWidth        = 1280
	videoHeight       = 720
)

type video struct {
	seq     uint16
	ts      uint32
	picture uint16 // 15 bits
	tl0     uint8
	keyIdx  uint8 // 5 bits
	uneven  bool  // pictures differ in size, as an encoder's do
	noise   [videoPayload]byte
	packets []*rtp.Packet
}

func newVideo(uneven bool) *video {
	v := &video{uneven: uneven, seq: uint16(rand.Uint32()), ts: rand.Uint32(), picture: uint16(rand.Uint32N(1 << 15))}
	for i := range v.noise {
		v.noise[i] = byte(rand.Uint32())
	}
	for range videoKeyPackets {
		v.packets = append(v.packets, &rtp.Packet{Payload: make([]byte, videoPayload)})
	}
	return v
}

func (v *video) interval() time.Duration { return videoInterval }

func (v *video) burst(keyframe bool) []*rtp.Packet {
	n := videoFramePackets
	if keyframe {
		n = videoKeyPackets
		v.keyIdx = (v.keyIdx + 1) & 0x1f
	}
	size := n * videoPayload
	if v.uneven && !keyframe {
		n = 1 + rand.IntN(2*videoFramePackets-1) // as many on average
		size = n*videoPayload - rand.IntN(videoPayload/2)
	}
	for i, p := range v.packets[:n] {
		// Browsers cut a picture into packets that differ by a byte at most.
		p.Payload = p.Payload[:(size+n-1-i)/n]
		p.Header = rtp.Header{Version: 2, SequenceNumber: v.seq, Timestamp: v.ts, Marker: i == n-1}
		v.seq++
		copy(p.Payload, v.noise[:])
		head := v.descriptor(p.Payload, i == 0)
		if i == 0 {
			vp8Header(p.Payload[head:], keyframe, size)
		}
	}
	v.ts += videoClock / 30
	v.picture = (v.picture + 1) & 0x7fff
	v.tl0++
	return v.packets[:n]
}

// descriptor writes the payload descriptor (RFC 7741 §4.2) and returns its length.
func (v *video) descriptor(b []byte, first bool) int {
	b[0] = 0x80 // X
	if first {
		b[0] |= 0x10 // S: a partition begins
	}
	b[1] = 0xf0                                        // I, L, T, K
	binary.BigEndian.PutUint16(b[2:], v.picture|1<<15) // M: 15 bits
	b[4] = v.tl0
	b[5] = v.keyIdx // TID 0, Y 0
	return 6
}

// vp8Header writes the head of a frame (RFC 6386 §9.1).
func vp8Header(b []byte, keyframe bool, size int) {
	tag := uint32(size)<<5 | 1<<4 // first partition's size; show_frame
	if !keyframe {
		tag |= 1
	}
	b[0], b[1], b[2] = byte(tag), byte(tag>>8), byte(tag>>16)
	if !keyframe {
		return
	}
	copy(b[3:], []byte{0x9d, 0x01, 0x2a})
	binary.LittleEndian.PutUint16(b[6:], videoWidth)
	binary.LittleEndian.PutUint16(b[8:], videoHeight)
}

// Audio as Opus makes it: 50 packets a second of 100 bytes, 40 kbit/s, with the
// audio level of a voice in the header extension of RFC 6464.
const (
	audioInterval = 20 * time.Millisecond
	audioClock    = 48000
	audioPayload  = 100
	audioLevel    = 25 // -dBov
)

type audio struct {
	seq     uint16
	ts      uint32
	started bool
	levelID uint8 // header extension, 0 if the server wants none
	packet  rtp.Packet
}

func newAudio(levelID uint8) *audio {
	a := &audio{seq: uint16(rand.Uint32()), ts: rand.Uint32(), levelID: levelID}
	a.packet.Payload = make([]byte, audioPayload)
	for i := range a.packet.Payload {
		a.packet.Payload[i] = byte(rand.Uint32())
	}
	a.packet.Payload[0] = 0x78 // CELT, 20 ms, mono, one frame (RFC 6716 §3.1)
	return a
}

func (a *audio) interval() time.Duration { return audioInterval }

func (a *audio) burst(bool) []*rtp.Packet {
	a.packet.Header = rtp.Header{Version: 2, SequenceNumber: a.seq, Timestamp: a.ts, Marker: !a.started}
	if a.levelID != 0 {
		// One byte: voice, and the level.
		_ = a.packet.SetExtension(a.levelID, []byte{0x80 | audioLevel})
	}
	a.started = true
	a.seq++
	a.ts += audioClock / 50
	return []*rtp.Packet{&a.packet}
}
