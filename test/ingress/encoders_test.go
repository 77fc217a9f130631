package ingress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// An encoder that verifies certificates pushes over TLS, and one that is shown
// another's does not.
func TestRTMPSIsVerifiedByTheEncoder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := x509.NewCertPool()
	pool.AddCert(certificate(t, dir, "here"))
	certificate(t, dir, "other")
	s := start(t, fmt.Sprintf("tls: {cert_file: %[1]s/here.pem, key_file: %[1]s/here.key}\n", dir)+"ingress: {rtmp: {tls_port: -1}}")
	s.authorities(pool)
	info := s.create()
	if !strings.HasPrefix(info.Url, "rtmps://127.0.0.1:") {
		t.Fatalf("encoders are told %s", info.Url)
	}
	info.Url = strings.Replace(info.Url, "127.0.0.1", "localhost", 1)
	verify := func(ca string, seconds int) []string {
		return append(append(card("320x180", 0, seconds), "-ac", "1"), "-tls_verify", "1", "-ca_file", filepath.Join(dir, ca))
	}
	if p := s.push(info, verify("other.pem", 1)...); p.cmd.Wait() == nil {
		t.Error("an encoder takes a certificate of somebody else")
	}
	v := s.view("show")
	p := s.push(info, verify("here.pem", 60)...)
	eventually(t, "pictures and sound", func() bool { return v.got(video).frames > 60 && v.got(audio).frames > 60 })
	_ = p.cmd.Process.Kill()
	eventually(t, "it ends", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_INACTIVE })
	if n, size := decoded(t, "h264", v.got(video).bytes); n < 60 || size != "320x180" {
		t.Errorf("%d pictures of %s decode", n, size)
	}
}

// certificate writes one for this machine, and its key, by name.
func certificate(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name+file), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// nginx relays what is pushed to it, with a handshake and chunks of its own.
func TestRelayOfNginxIsSeenAndHeard(t *testing.T) {
	t.Parallel()
	s := start(t)
	info := s.create()
	relay := nginx(t, info.Url+"/"+info.StreamKey)
	v := s.view("show")
	for range 2 { // the second is a new connection of the relay's
		before := v.got(video).frames
		p := s.push(&livekit.IngressInfo{Url: relay, StreamKey: "any"}, append(card("322x182", 0, 4), "-ac", "2")...)
		p.wait()
		eventually(t, "the relay ends", func() bool {
			state := s.state(info.IngressId)
			return state.Status == livekit.IngressState_ENDPOINT_INACTIVE && v.got(video).frames > before
		})
		// nginx begins to relay at once, and drops what is not sent when it hangs up.
		if n := v.got(video).frames - before; n < 100 {
			t.Errorf("%d pictures came", n)
		}
	}
	if n, size := decoded(t, "h264", v.got(video).bytes); n < 200 || size != "322x182" {
		t.Errorf("%d pictures of %s decode", n, size)
	}
	if n := v.got(audio).frames; n < 80 {
		t.Errorf("%d packets of sound", n)
	}
}

// nginx begins one that pushes to another server, and returns the URL, without the
// key, at which it takes streams.
func nginx(t *testing.T, to string) string {
	t.Helper()
	const module = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
	program := "/usr/sbin/nginx"
	if _, err := os.Stat(module); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("nginx is not here; apt-get install nginx-light libnginx-mod-rtmp")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	addr := free(t, "tcp")
	config := filepath.Join(dir, "nginx.conf")
	body := fmt.Sprintf(`load_module %s;
daemon off; master_process off; pid %s/pid; error_log %[2]s/log info;
events { worker_connections 64; }
rtmp { server { listen %[3]s; application live { live on; push %[4]s; push_reconnect 200ms; } } }
`, module, dir, addr, to)
	if err := os.WriteFile(config, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", config, "-e", filepath.Join(dir, "log"), "-p", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("nginx:\n%s", log)
		}
	})
	eventually(t, "nginx listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "rtmp://" + addr + "/live"
}

// free is an address that nobody listens at.
func free(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
