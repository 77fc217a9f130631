package peer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	dtlscurve "github.com/pion/dtls/v3/pkg/crypto/elliptic"
)

// certificateLife is longer than a process runs. Clients know the certificate by its
// fingerprint alone (RFC 8122 §5).
const certificateLife = 10 * 365 * 24 * time.Hour

// newCertificate returns the certificate of the process, and its fingerprint as descriptions
// have it.
func newCertificate() (*tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, "", err
	}
	name := pkix.Name{CommonName: "WebRTC"}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: name, Issuer: name,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(certificateLife), // clocks differ
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, "sha-256 " + colons(sum[:]), nil
}

// colons writes a fingerprint, RFC 8122 §5.
func colons(sum []byte) string {
	var parts []string
	for _, b := range sum {
		parts = append(parts, fmt.Sprintf("%02X", b))
	}
	return strings.Join(parts, ":")
}

// fingerprintHashes are the functions of RFC 8122 §5 that are still safe.
var fingerprintHashes = map[string]crypto.Hash{"sha-256": crypto.SHA256, "sha-384": crypto.SHA384, "sha-512": crypto.SHA512}

var errFingerprint = errors.New("certificate is not the one that the client has described")

// matchFingerprint reports whether a certificate is the described one: that it has one of
// the fingerprints is enough, as they are of one certificate.
func matchFingerprint(fingerprints []string, der []byte) error {
	for _, f := range fingerprints {
		name, value, _ := strings.Cut(f, " ")
		hash, ok := fingerprintHashes[strings.ToLower(name)]
		if !ok {
			continue
		}
		want, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), ":", ""))
		if err != nil {
			continue
		}
		h := hash.New()
		h.Write(der)
		if string(h.Sum(nil)) == string(want) {
			return nil
		}
	}
	return errFingerprint
}

// dtlsOptions are what every handshake has.
func (f *Factory) dtlsOptions() []dtls.Option {
	return []dtls.Option{
		dtls.WithLoggerFactory(pionLogs{f.opts.Logger}),
		dtls.WithInsecureSkipVerify(true), // the fingerprint is what it is known by
		dtls.WithFlightInterval(firstRetransmission),
		// All clients have the first one (RFC 8827 §6.5). pion would take X25519 of those who
		// name it first, which takes Go nearly twice as long.
		dtls.WithEllipticCurves(dtlscurve.P256, dtlscurve.P384),
		// What data is sealed with. Every client has the first (RFC 8827 §6.5).
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
	}
}

// newDTLS makes pion's connection of a handshake.
func (c *conn) newDTLS(w *wire, h *shake) (*dtls.Conn, error) {
	f, keys := c.factory, &c.packets.keys
	own := dtls.WithKeyLogWriter(keys)
	verify := dtls.WithVerifyPeerCertificate(func(chain [][]byte, _ [][]*x509.Certificate) error {
		if len(chain) == 0 {
			return errFingerprint
		}
		return matchFingerprint(h.fingerprints, chain[0])
	})
	if h.client {
		o := []dtls.ClientOption{own, verify, dtls.WithCertificates(*f.certificate)}
		for _, s := range f.dtls {
			o = append(o, s)
		}
		return dtls.ClientWithOptions(w, w.LocalAddr(), o...)
	}
	o := []dtls.ServerOption{
		own, verify,
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		// A handshake begins at an address that ICE has checked, so the cookie that
		// proves it again (RFC 6347 §4.2.1) would only cost a round trip.
		dtls.WithInsecureSkipVerifyHello(true),
		dtls.WithServerHelloMessageHook(keys.helloHook),
		// With WithCertificates it would be parsed each time, for names that it has not.
		dtls.WithGetCertificate(func(*dtls.ClientHelloInfo) (*tls.Certificate, error) { return f.certificate, nil }),
	}
	for _, s := range f.dtls {
		o = append(o, s)
	}
	return dtls.ServerWithOptions(w, w.LocalAddr(), o...)
}
