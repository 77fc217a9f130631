package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/pion/dtls/v3"
	dtlscurve "github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/dtls/v3/pkg/protocol"
	dtlsext "github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
)

func TestKeysAreThoseOfBothEnds(t *testing.T) {
	for name, profile := range map[string]dtls.SRTPProtectionProfile{
		"AES-128-GCM": dtls.SRTP_AEAD_AES_128_GCM,
		"AES-256-GCM": dtls.SRTP_AEAD_AES_256_GCM,
		"AES-CM":      dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	} {
		for _, suite := range []dtls.CipherSuiteID{
			dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		} {
			t.Run(fmt.Sprint(name, " ", suite), func(t *testing.T) {
				f := newTestFactory(t, nil)
				engine := func(e *webrtc.SettingEngine) {
					e.SetSRTPProtectionProfiles(profile)
					e.SetDTLSCipherSuites(suite)
				}
				p := newPubClient(t, f, clientOptions{engine: engine})
				p.dataChannels()
				mic, _ := p.publish(webrtc.MimeTypeOpus, "stream", "mic")
				p.negotiate(nil)
				p.connected()
				eventually(t, "track", func() bool { return p.track("mic") != nil })
				c := newSubClient(t, f, clientOptions{engine: engine})
				if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
					t.Fatal(err)
				}
				c.sub.Negotiate()
				c.connected()
				sendOpus(t, mic, "audio arrives", func() bool { return c.packets("TR_mic") >= 10 })
			})
		}
	}
}

// Who answers may be the server of the handshake; made with pion, it is where it sees
// a lite agent. Media, data, and channels of both sides are the same then.
func TestClientMayBeTheServerOfTheHandshake(t *testing.T) {
	server := func(e *webrtc.SettingEngine) {
		if err := e.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		lite   bool
		engine func(*webrtc.SettingEngine)
	}{
		"of a lite agent": {lite: true},
		"by choice":       {engine: server},
		"with SHA-384": {lite: true, engine: func(e *webrtc.SettingEngine) {
			e.SetDTLSCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)
		}},
		"with AES-CM": {lite: true, engine: func(e *webrtc.SettingEngine) {
			e.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTestFactory(t, func(o *Options) { o.ICELite = c.lite })
			p := newPubClient(t, f, clientOptions{})
			p.dataChannels()
			mic, _ := p.publish(webrtc.MimeTypeOpus, "stream", "mic")
			p.negotiate(nil)
			p.connected()
			eventually(t, "track", func() bool { return p.track("mic") != nil })
			s := newSubClient(t, f, clientOptions{engine: c.engine})
			// Before the keys are there, and so before it is known who is who.
			if err := s.sub.SendData(Reliable, []byte("early"), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := s.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
				t.Fatal(err)
			}
			s.sub.Negotiate()
			s.connected()
			sendOpus(t, mic, "audio arrives", func() bool { return s.packets("TR_mic") >= 10 })
			if err := s.sub.SendData(Reliable, []byte("late"), nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, "data arrives", func() bool {
				var n int
				s.with(func() { n = len(s.received) })
				return n == 2
			})
			a := &s.sub.packets.data
			a.mu.Lock()
			defer a.mu.Unlock()
			for id, ch := range a.channels {
				if id%2 != 0 || ch.id != id {
					t.Errorf("channel %d of a client of the handshake is %d", id, ch.id)
				}
			}
			if err := s.failure(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a server of a handshake says is read only if it is whole, and not where we are
// the server.
func TestServerHelloOfTheOtherSide(t *testing.T) {
	suite := uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	hello := handshake.MessageServerHello{
		Version: protocol.Version1_2, CipherSuiteID: &suite, CompressionMethod: &protocol.CompressionMethod{},
		Extensions: []dtlsext.Extension{
			&dtlsext.UseSRTP{ProtectionProfiles: []dtlsext.SRTPProtectionProfile{dtlsext.SRTP_AEAD_AES_256_GCM}},
		},
	}
	raw, err := (&handshake.Handshake{Message: &hello}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	whole := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(raw) >> 8), byte(len(raw))}, raw...)
	for n := range whole {
		var k handshakeKeys
		k.serverHello(whole[:n])
		if k.client {
			t.Fatalf("taken from %d of %d bytes", n, len(whole))
		}
	}
	var k handshakeKeys
	k.serverHello(whole)
	if !k.client || k.profile != srtp.AEADAES256GCM || k.suite != suite || k.serverRandom == nil {
		t.Errorf("not taken: %v, %v", k.profile, k.suite)
	}
	k.helloHook(handshake.MessageServerHello{CipherSuiteID: &suite})
	k.serverHello(whole)
	if k.client {
		t.Error("who is the server believes another's hello")
	}
}

func FuzzServerHello(f *testing.F) {
	f.Add([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, record []byte) {
		var k handshakeKeys
		k.serverHello(record)
		if k.client && k.serverRandom == nil {
			t.Error("taken without a random")
		}
	})
}

// The most capable profile that both have is ours to choose.
func TestGCMIsChosenWhereItIsKnown(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) {
		e.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AEAD_AES_128_GCM)
	}})
	c.dataChannels()
	c.negotiate(nil)
	c.connected()
	if p := c.pub.packets.sealer.Load().Profile(); p != srtp.AEADAES128GCM {
		t.Errorf("chosen: %v", p)
	}
}

// Most clients name X25519 first.
func TestP256IsChosenWhereItIsKnown(t *testing.T) {
	f := newTestFactory(t, nil)
	wire := newCable(t)
	var chosen atomic.Uint32
	wire.tap = func(b []byte) {
		if curve, ok := curveOf(b); ok {
			chosen.Store(uint32(curve))
		}
	}
	c := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) {
		e.SetNet(wire)
		e.SetDTLSEllipticCurves(dtlscurve.X25519, dtlscurve.P256, dtlscurve.P384)
	}})
	c.sub.Negotiate()
	c.connected()
	if got := dtlscurve.Curve(chosen.Load()); got != dtlscurve.P256 {
		t.Errorf("chosen: %v", got)
	}
}

// curveOf finds the ServerKeyExchange in a datagram (RFC 8422 §5.4).
func curveOf(datagram []byte) (curve dtlscurve.Curve, ok bool) {
	const recordHeader, messageHeader = 13, 12
	for b := datagram; len(b) > recordHeader; {
		end := recordHeader + int(binary.BigEndian.Uint16(b[11:]))
		if end > len(b) {
			return 0, false
		}
		body := b[recordHeader:end]
		if b[0] == byte(protocol.ContentTypeHandshake) && len(body) > messageHeader+3 &&
			handshake.Type(body[0]) == handshake.TypeServerKeyExchange {
			return dtlscurve.Curve(binary.BigEndian.Uint16(body[messageHeader+1:])), true
		}
		b = b[end:]
	}
	return 0, false
}

func TestKeysNeedAWholeHandshake(t *testing.T) {
	var k handshakeKeys
	if _, _, err := k.export(); !errors.Is(err, errNoKeys) {
		t.Errorf("without a handshake: %v", err)
	}
	for _, line := range []string{"", "CLIENT_RANDOM", "# CLIENT_RANDOM 00 00", "CLIENT_RANDOM 00 00 00"} {
		if _, err := k.Write([]byte(line)); err != nil || k.master != nil {
			t.Errorf("%q: %v, %x", line, err, k.master)
		}
	}
	if _, err := k.Write([]byte("CLIENT_RANDOM xx 00\n")); err == nil {
		t.Error("taken though it is not hexadecimal")
	}
	suite := uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	k.helloHook(handshake.MessageServerHello{CipherSuiteID: &suite, Extensions: []dtlsext.Extension{
		&dtlsext.UseSRTP{ProtectionProfiles: []dtlsext.SRTPProtectionProfile{dtlsext.SRTP_AEAD_AES_128_GCM}},
	}})
	if _, err := k.Write([]byte("CLIENT_RANDOM 0102 0304\n")); err != nil {
		t.Fatal(err)
	}
	keys, _, err := k.export()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(keys.LocalKey, keys.RemoteKey) {
		t.Error("one key for both ways")
	}
	if _, _, err := k.export(); !errors.Is(err, errNoKeys) {
		t.Errorf("the second time: %v", err)
	}
}
