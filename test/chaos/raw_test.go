package chaos

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/sctp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
)

// rawPublisher is a guest whose publishing connection is made by hand, so that
// it can send what no library would: any bytes, below the encryption too.
type rawPublisher struct {
	*guest
	agent *ice.Agent
	ice   *ice.Conn
	dtls  *dtls.Conn // what is written to it is a packet of SCTP

	sealer  *srtp.Sealer
	scratch srtp.Scratch

	tag uint32 // of the server's association; 0 while there is none
}

// rawSSRC is what it announces to send video with.
const rawSSRC = 0x1234

var credentials = regexp.MustCompile(`(?m)^a=(ice-ufrag|ice-pwd|fingerprint|candidate|ssrc):.*\r\n`)

// enterRaw brings in a guest that announces a camera and data and connects to a
// UDP port of the server.
func (gs *guests) enterRaw(ctx context.Context, room, identity string, port int) (r *rawPublisher, err error) {
	g, err := gs.dial(ctx, room, identity, livekit.SignalTarget_SUBSCRIBER)
	if err != nil {
		return nil, err
	}
	r = &rawPublisher{guest: g}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if err := g.await(ctx, g.active); err != nil {
		return nil, err
	}
	r.agent, err = ice.NewAgentWithOptions(
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithIncludeLoopback(),
		ice.WithInterfaceFilter(func(name string) bool { return name == "lo" }),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
	)
	if err != nil {
		return nil, fmt.Errorf("make agent: %w", err)
	}
	gathered := make(chan struct{})
	var once sync.Once
	err = r.agent.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			once.Do(func() { close(gathered) })
		}
	})
	if err := errors.Join(err, r.agent.GatherCandidates()); err != nil {
		return nil, fmt.Errorf("gather: %w", err)
	}
	if err := g.await(ctx, gathered); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		return nil, err
	}
	offer, err := r.offer(gs.api, certificate)
	if err != nil {
		return nil, fmt.Errorf("make offer: %w", err)
	}
	g.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{
		Cid: "camera", Name: "camera", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA,
	}}})
	if err := g.await(ctx, g.published); err != nil {
		return nil, err
	}
	g.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: offer, Id: 1},
	}})
	if err := g.await(ctx, g.answer); err != nil {
		return nil, err
	}
	return r, r.connect(ctx, port, certificate)
}

// offer is pion's, with our credentials.
func (r *rawPublisher) offer(api *webrtc.API, certificate tls.Certificate) (string, error) {
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	defer pc.Close()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "camera", "camera")
	if err != nil {
		return "", err
	}
	if _, err := pc.AddTrack(track); err != nil {
		return "", err
	}
	if _, err := pc.CreateDataChannel("_reliable", nil); err != nil {
		return "", err
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return "", err
	}
	ufrag, pwd, err := r.agent.GetLocalUserCredentials()
	if err != nil {
		return "", err
	}
	ours := fmt.Sprintf("a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\n", ufrag, pwd, fingerprint(certificate))
	text := credentials.ReplaceAllString(offer.SDP, "")
	text = strings.ReplaceAll(text, "a=mid:", ours+"a=mid:")
	return strings.Replace(text, "a=sendrecv\r\n", fmt.Sprintf("a=sendrecv\r\na=ssrc:%d cname:raw\r\n", rawSSRC), 1), nil
}

// connect completes ICE and DTLS with what the answer says.
func (r *rawPublisher) connect(ctx context.Context, port int, certificate tls.Certificate) error {
	c, err := ice.NewCandidateHost(&ice.CandidateHostConfig{Network: "udp", Address: "127.0.0.1", Port: port, Component: 1})
	if err == nil {
		err = r.agent.AddRemoteCandidate(c)
	}
	if err != nil {
		return fmt.Errorf("add candidate: %w", err)
	}
	if r.ice, err = r.agent.Dial(ctx, attribute(r.answered, "ice-ufrag"), attribute(r.answered, "ice-pwd")); err != nil {
		return fmt.Errorf("ICE: %w", err)
	}
	r.dtls, err = dtls.ClientWithOptions(dtlsnet.PacketConnFromConn(r.ice), r.ice.RemoteAddr(),
		dtls.WithCertificates(certificate),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
	)
	if err == nil {
		err = r.dtls.HandshakeContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	r.sealer, err = sealerOf(r.dtls)
	return err
}

// rtp seals and sends what need be a packet in its first twelve bytes only.
func (r *rawPublisher) rtp(b []byte, index uint64) {
	header := srtp.HeaderLen(b)
	if header == 0 || header > len(b) {
		header = 12
	}
	b = append(make([]byte, 0, len(b)+srtp.MaxOverhead), b...)
	_, _ = r.ice.Write(r.sealer.RTP(&r.scratch, b, header, index))
}

// rtcp seals and sends what need be a packet in its first eight bytes only.
func (r *rawPublisher) rtcp(b []byte) {
	b = append(make([]byte, 0, len(b)+srtp.MaxOverhead), b...)
	_, _ = r.ice.Write(r.sealer.RTCP(&r.scratch, b))
}

// chunks sends what need be no chunks in a packet of SCTP that is right for the rest.
func (r *rawPublisher) chunks(b []byte) {
	if r.tag == 0 {
		r.tag = r.associate()
	}
	const header = 12 // ports, tag, checksum: RFC 9260 §3.1
	p := make([]byte, header, header+len(b))
	binary.BigEndian.PutUint32(p[4:], r.tag)
	p = append(p, b...)
	binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
	_, _ = r.dtls.Write(p)
}

// associate opens an association, and returns the tag of the server's packets. It goes on
// as long as the connection.
func (r *rawPublisher) associate() (tag uint32) {
	a := sctp.New(sctp.Options{
		Write: func(p []byte) {
			tag = binary.BigEndian.Uint32(p[4:]) // zero in the first one
			_, _ = r.dtls.Write(p)
		},
		Message: func(sctp.Message) {}, Reset: func(uint16) {},
		MaxMessage: 1 << 16, Window: 1 << 20,
	})
	a.Connect(time.Now())
	b := make([]byte, 1<<16)
	for !a.Established() {
		n, err := r.dtls.Read(b)
		if err != nil {
			return 1 // the test will see that nothing comes of it
		}
		_ = a.Handle(b[:n], time.Now())
	}
	return tag
}

// goOn attacks until the server has enough, for as long as anything may take.
func (r *rawPublisher) goOn(attack func(i uint64)) {
	for i, until := uint64(0), time.Now().Add(patience); time.Now().Before(until); i++ {
		select {
		case <-r.done:
			return
		default:
			attack(i)
		}
	}
}

func (r *rawPublisher) close() {
	if r.dtls != nil {
		_ = r.dtls.Close()
	}
	if r.agent != nil {
		_ = r.agent.Close()
	}
	r.leave(false)
}
