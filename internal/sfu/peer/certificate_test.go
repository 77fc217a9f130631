package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

func TestCertificateHasTheFingerprintThatIsTold(t *testing.T) {
	cert, fingerprint, err := newCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(fingerprint) {
		t.Errorf("fingerprint %q", fingerprint)
	}
	der := cert.Certificate[0]
	if err := matchFingerprint([]string{fingerprint}, der); err != nil {
		t.Error(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := parsed.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key %v", parsed.PublicKey) // RFC 8827 §6.5
	}
	if now := time.Now(); now.Before(parsed.NotBefore.Add(time.Hour)) || now.Add(365*24*time.Hour).After(parsed.NotAfter) {
		t.Errorf("valid from %v to %v", parsed.NotBefore, parsed.NotAfter)
	}
	_, other, err := newCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if err := matchFingerprint([]string{other}, der); !errors.Is(err, errFingerprint) {
		t.Errorf("another's: %v", err)
	}
}

// All connections of a server have one certificate, which is made once.
func TestConnectionsOfAFactoryTellOneFingerprint(t *testing.T) {
	f := newTestFactory(t, nil)
	told := map[string]bool{}
	for range 2 {
		sub := newSubClient(t, f, clientOptions{})
		sub.sub.Negotiate()
		sub.connected()
		pub := newPubClient(t, f, clientOptions{})
		pub.dataChannels()
		for _, sdp := range []string{sub.lastOffer().sdp, pub.negotiate(nil)} {
			values := attribute(sdp, "fingerprint")
			if len(values) != 1 {
				t.Errorf("fingerprints %q", values)
			}
			for _, v := range values {
				told[v] = true
			}
		}
	}
	if len(told) != 1 || !told[f.fingerprint] {
		t.Errorf("told %v, the factory's is %q", told, f.fingerprint)
	}
	other := newSubClient(t, newTestFactory(t, nil), clientOptions{})
	other.sub.Negotiate()
	other.connected()
	if got := attribute(other.lastOffer().sdp, "fingerprint"); len(got) != 1 || told[got[0]] {
		t.Errorf("another factory tells %q", got)
	}
}

func TestFingerprints(t *testing.T) {
	der := []byte("a certificate")
	s1, s256, s384, s512 := sha1.Sum(der), sha256.Sum256(der), sha512.Sum384(der), sha512.Sum512(der)
	wrong := sha256.Sum256([]byte("another"))
	right := "sha-256 " + colons(s256[:])
	for name, tt := range map[string]struct {
		fingerprints []string
		match        bool
	}{
		"sha-256":                      {[]string{right}, true},
		"sha-384":                      {[]string{"sha-384 " + colons(s384[:])}, true},
		"sha-512":                      {[]string{"sha-512 " + colons(s512[:])}, true},
		"lower case":                   {[]string{strings.ToLower(right)}, true},
		"upper case":                   {[]string{strings.ToUpper(right)}, true},
		"space around it":              {[]string{"sha-256  " + colons(s256[:]) + " "}, true},
		"one among several":            {[]string{"sha-256 " + colons(wrong[:]), "sha-384 " + colons(s384[:])}, true},
		"beside unknown functions":     {[]string{"sha-3 AA:BB", "md2 00", "", right}, true},
		"beside what cannot be read":   {[]string{"sha-256 AA:XX", "sha-512", right}, true},
		"none":                         {nil, false},
		"another":                      {[]string{"sha-256 " + colons(wrong[:])}, false},
		"by another function":          {[]string{"sha-384 " + colons(s256[:])}, false},
		"by one that is not safe":      {[]string{"sha-1 " + colons(s1[:])}, false},
		"only the beginning":           {[]string{"sha-256 " + colons(s256[:31])}, false},
		"more than it is":              {[]string{right + ":00"}, false},
		"only unknown functions":       {[]string{"sha-3 " + colons(s256[:])}, false},
		"a function without its value": {[]string{"sha-256"}, false},
	} {
		err := matchFingerprint(tt.fingerprints, der)
		if !tt.match && !errors.Is(err, errFingerprint) || tt.match && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFingerprint(f *testing.F) {
	der := []byte("a certificate")
	sum := sha256.Sum256(der)
	f.Add("sha-256 " + colons(sum[:]))
	f.Add("SHA-256 " + strings.ToLower(colons(sum[:31])))
	f.Fuzz(func(t *testing.T, text string) {
		digits := strings.NewReplacer(":", "", " ", "")
		plain := strings.ToUpper(digits.Replace(text))
		if matchFingerprint([]string{text}, der) == nil && !strings.Contains(plain, digits.Replace(colons(sum[:]))) {
			t.Errorf("%q is taken", text)
		}
	})
}

// otherFingerprint describes a certificate that nobody has.
func otherFingerprint(sdp string) string {
	other := "a=fingerprint:sha-256 " + colons(make([]byte, 32))
	return regexp.MustCompile(`a=fingerprint:sha-256 [0-9A-Fa-f:]+`).ReplaceAllString(sdp, other)
}

// A client that somebody else has described is never connected, whoever begins.
func TestAnotherCertificateThanDescribedFails(t *testing.T) {
	server := func(e *webrtc.SettingEngine) {
		if err := e.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
			t.Error(err)
		}
	}
	t.Run("in an offer", func(t *testing.T) {
		f := newTestFactory(t, nil)
		c := newPubClient(t, f, clientOptions{})
		c.dataChannels()
		c.negotiateAs(otherFingerprint, nil)
		neverConnected(t, &c.heard)
	})
	for name, o := range map[string]clientOptions{"in an answer": {}, "of a client that is the server": {engine: server}} {
		t.Run(name, func(t *testing.T) {
			f := newTestFactory(t, nil)
			c := newSubClient(t, f, o)
			c.munge = otherFingerprint
			c.sub.Negotiate()
			neverConnected(t, &c.heard)
			if s := c.sub.shake.current(); s != shakeFailed {
				t.Errorf("the handshake is in state %v", s)
			}
		})
	}
}

func neverConnected(t *testing.T, h *heard) {
	t.Helper()
	eventually(t, "failed", func() bool { return h.state() == Failed })
	h.with(func() {
		if slices.Contains(h.states, Connected) {
			t.Errorf("states %v", h.states)
		}
	})
}

// negotiateAs makes one offer, that is another on its way, as its answer is then.
func (c *pubClient) negotiateAs(offered, answered func(string) string) string {
	c.t.Helper()
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.pc.SetLocalDescription(offer); err != nil {
		c.t.Fatal(err)
	}
	c.with(func() { c.nextID++ })
	c.pub.Offer(offered(offer.SDP), c.nextID)
	select {
	case answer := <-c.answerc:
		taken := answer
		if answered != nil {
			taken = answered(answer)
		}
		if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: taken}); err != nil {
			c.t.Fatalf("client takes answer: %v\n%s", err, taken)
		}
		return answer
	case <-time.After(patience):
		c.t.Fatalf("no answer; failure: %v", c.failure())
	}
	return ""
}
