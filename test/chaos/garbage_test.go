package chaos

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
)

// What a client signals that no client would ends its session, with a reason that
// it is told.
func TestClientThatSignalsGarbageIsCutOff(t *testing.T) {
	takesTurns(t)
	m := newMeeting(t)
	for _, c := range []struct {
		what        string
		attack      func(g *guest) error
		client, log string
	}{
		// One connection has described itself, the other has not.
		{"a hundred thousand candidates", candidates(livekit.SignalTarget_SUBSCRIBER), "too many messages", "too many messages"},
		{"as many before any offer", candidates(livekit.SignalTarget_PUBLISHER), "too many messages", "too many messages"},
		{"metadata of two megabytes", func(g *guest) error {
			return g.write(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{
				UpdateMetadata: &livekit.UpdateParticipantMetadata{Metadata: strings.Repeat("x", 2<<20)},
			}})
		}, "StatusMessageTooBig", "a signal message is longer than"},
		{"what is no message", func(g *guest) error {
			for range 1000 {
				if g.socket.Write(context.Background(), websocket.MessageBinary, []byte{0xff, 0xff, 0xff}) != nil {
					return nil
				}
			}
			return nil
		}, "cannot be read", "cannot be read"},
		{"an offer that is none", func(g *guest) error {
			return g.write(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
				Offer: &livekit.SessionDescription{Type: "offer", Sdp: noise(7, 300_000), Id: 1},
			}})
		}, "STATE_MISMATCH", "invalid session description"},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := m.in(t)
			g := m.enter("offender")
			defer g.leave(false)
			m.must(c.attack(g))
			m.wantCutOff(g, c.client, c.log)
			m.wantAlive()
			m.wantBounded(100, 16<<20)
		})
	}
}

// candidates sends a hundred thousand, or as many as are taken.
func candidates(target livekit.SignalTarget) func(*guest) error {
	return func(g *guest) error {
		for i := range 100_000 {
			candidate := fmt.Sprintf(`{"candidate":"candidate:%d 1 udp 2113937151 10.%d.%d.%d 50000 typ host","sdpMid":"0"}`, i, i>>16, i>>8&255, i&255)
			if err := g.write(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{
				Trickle: &livekit.TrickleRequest{CandidateInit: candidate, Target: target},
			}}); err != nil {
				return nil
			}
		}
		return nil
	}
}

// What is too long is refused with a reason and changes nothing, and the client
// stays.
func TestMetadataBeyondTheLimitIsRefused(t *testing.T) {
	takesTurns(t)
	m := newMeeting(t)
	g := m.enter("wordy")
	defer g.leave(true)
	m.must(g.write(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{
		UpdateMetadata: &livekit.UpdateParticipantMetadata{Metadata: strings.Repeat("x", 1<<20), RequestId: 7},
	}}))
	m.s.poll("the refusal", func() error {
		for _, r := range g.responses() {
			if r.RequestId == 7 && r.Reason == livekit.RequestResponse_LIMIT_EXCEEDED {
				return nil
			}
		}
		return fmt.Errorf("%v", g.responses())
	})
	m.wantAlive()
}

// A publisher whose packets are garbage below its encryption disturbs nobody, and
// is cut off for what no client sends.
func TestPublisherThatSendsGarbagePacketsIsCutOff(t *testing.T) {
	takesTurns(t)
	random := rand.New(rand.NewPCG(1, 2))
	m := newMeeting(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, c := range []struct {
		what   string
		attack func(*rawPublisher, uint64)
		cutOff string // why; empty: it is not
	}{
		{"RTP of the announced stream, mutated", func(r *rawPublisher, i uint64) { r.rtp(mutated(random, i), i) }, ""},
		{"RTP of the announced stream that cannot be read", func(r *rawPublisher, i uint64) { r.rtp(unreadable(i), i) }, "too many packets that cannot be read"},
		{"RTCP", func(r *rawPublisher, _ uint64) { r.rtcp(noisePacket(random, 0x81, 9)) }, "too many packets that cannot be read"},
		{"RTCP that says nonsense", func(r *rawPublisher, _ uint64) { r.rtcp(nonsense(random)) }, ""},
		{"data that is no SCTP", func(r *rawPublisher, _ uint64) { _, _ = r.dtls.Write(noisePacket(random, 0x13, 1)) }, "data that is no SCTP"},
		{"SCTP of chunks that are none", func(r *rawPublisher, _ uint64) { r.chunks(noiseChunks(random)) }, "data that is no SCTP"},
		{"below the encryption nothing at all", func(r *rawPublisher, _ uint64) {
			_, _ = r.ice.Write(noisePacket(random, byte(random.Uint32()), 1))
		}, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := m.in(t)
			r, err := m.gs.enterRaw(ctx, "demo", "offender", m.s.udpPort)
			m.must(err)
			defer r.close()
			const packets = 5000
			for i := range uint64(packets) {
				c.attack(r, i)
			}
			if c.cutOff != "" {
				r.goOn(func(i uint64) { c.attack(r, packets+i) })
				m.wantCutOff(r.guest, "STATE_MISMATCH", c.cutOff)
			}
			m.wantAlive()
			m.wantBounded(200, 32<<20)
		})
	}
}

// Media that belongs to nothing is cut off from 2,000 packets a second on, for ten seconds:
// a server under the race detector is not always that fast.
func TestPublisherThatSendsMediaOfNoTrackIsCutOff(t *testing.T) {
	takesTurns(t)
	random := rand.New(rand.NewPCG(1, 2))
	m := newMeetingOf(t, program)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := m.gs.enterRaw(ctx, "demo", "offender", m.s.udpPort)
	m.must(err)
	defer r.close()
	r.goOn(func(i uint64) { r.rtp(stray(random, uint16(i)), uint64(uint16(i))) })
	m.wantCutOff(r.guest, "STATE_MISMATCH", "media that belongs to no track")
	m.wantAlive()
	m.wantBounded(200, 32<<20)
}

// mutated is a packet of the announced stream of which a few bytes are wrong.
func mutated(random *rand.Rand, i uint64) []byte {
	b := []byte{0x90, 96, byte(i >> 8), byte(i), 0, 0, byte(i >> 8), byte(i), 0, 0, 0x12, 0x34,
		0xbe, 0xde, 0, 2, 0x10, '0', 0x31, byte(i >> 8), byte(i), 0, 0, 0,
		0x90, 0xf0, 0x81, 0x23, 0x45, 0x27, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0}
	for range random.IntN(4) {
		at := random.IntN(len(b))
		if at >= 2 && at < 4 || at >= 8 && at < 12 {
			continue // the index and the stream have to be right to get through
		}
		b[at] = byte(random.Uint32())
	}
	b[0] = 0x80 | b[0]&0x3f
	return b[:len(b)-random.IntN(16)]
}

// unreadable is a packet of the announced stream with padding of no length.
func unreadable(i uint64) []byte {
	return []byte{0xa0, 96, byte(i >> 8), byte(i), 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x90, 0xf0, 0x81, 0x23, 0}
}

// noisePacket is noise of any length with that first byte; RTCP has its kind, 200
// to 207, in the second.
func noisePacket(random *rand.Rand, first byte, least int) []byte {
	b := make([]byte, least+random.IntN(1000))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	b[0] = first
	if len(b) > 1 && first == 0x81 {
		b[1] = 200 + b[1]&7
	}
	return b
}

// stray is noise with that number, as a stream of its own.
func stray(random *rand.Rand, seq uint16) []byte {
	b := noisePacket(random, 0x80, 13)
	b[1] &= 0x7f // no RTCP
	binary.BigEndian.PutUint16(b[2:], seq)
	return b
}

// noiseChunks are chunks of which the first may be whole, of any kind that does not say
// that there are no more to come.
func noiseChunks(random *rand.Rand) []byte {
	const abort, shutdown, shutdownAck, shutdownComplete = 6, 7, 8, 14
	b := noisePacket(random, byte(random.Uint32()), 5)
	if n := 4 + random.IntN(len(b)); random.IntN(2) == 0 {
		binary.BigEndian.PutUint16(b[2:], uint16(n))
	}
	if slices.Contains([]byte{abort, shutdown, shutdownAck, shutdownComplete}, b[0]) {
		b[0] = 0
	}
	return b
}

// nonsense is RTCP that can be read, about whatever, with values at their ends.
func nonsense(random *rand.Rand) []byte {
	ssrc := []uint32{0, rawSSRC, 1<<32 - 1, random.Uint32()}[random.IntN(4)]
	packet := []rtcp.Packet{
		&rtcp.SenderReport{SSRC: ssrc, NTPTime: random.Uint64(), RTPTime: random.Uint32(), PacketCount: random.Uint32()},
		&rtcp.ReceiverReport{SSRC: ssrc, Reports: []rtcp.ReceptionReport{{SSRC: ssrc, LastSequenceNumber: random.Uint32(), LastSenderReport: random.Uint32(), Delay: random.Uint32(), Jitter: 1<<32 - 1}}},
		&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: ssrc, Bitrate: float32(random.Uint64()), SSRCs: []uint32{ssrc}},
		&rtcp.TransportLayerNack{SenderSSRC: ssrc, MediaSSRC: ssrc, Nacks: slices.Repeat([]rtcp.NackPair{{PacketID: uint16(random.Uint32()), LostPackets: 0xffff}}, 200)},
		&rtcp.PictureLossIndication{SenderSSRC: ssrc, MediaSSRC: ssrc},
		&rtcp.FullIntraRequest{SenderSSRC: ssrc, MediaSSRC: ssrc, FIR: []rtcp.FIREntry{{SSRC: ssrc}}},
		&rtcp.Goodbye{Sources: []uint32{ssrc}},
	}[random.IntN(7)]
	b, err := packet.Marshal()
	if err != nil {
		panic("BUG: marshal " + err.Error())
	}
	return b
}

// Strangers who send garbage to the ports of media disturb nobody and cost nothing.
func TestStrangersWhoSendGarbageDisturbNobody(t *testing.T) {
	takesTurns(t)
	m := newMeeting(t)
	random := rand.New(rand.NewPCG(3, 4))
	conn, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", m.s.udpPort))
	m.must(err)
	defer conn.Close()
	for range 20_000 {
		b := noisePacket(random, byte(random.Uint32()), 20)
		if random.IntN(2) == 0 { // as a check of ICE
			b[0], b[1] = 0, 1
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
			binary.BigEndian.PutUint32(b[4:], 0x2112a442)
		}
		_, _ = conn.Write(b)
	}
	m.wantAlive()
	m.wantBounded(50, 16<<20)
}
