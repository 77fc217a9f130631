package peer

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/pion/dtls/v3"
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
