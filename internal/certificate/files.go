package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is how long a certificate is used without a look at its file.
const recheck = 10 * time.Second

// Files is a certificate that is read again when its file changes, because those
// who renew it do not restart us.
type Files struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate // mu guards
	changed time.Time        // mu guards; of the file
	checked time.Time        // mu guards
}

// LoadFiles reads a certificate with those that vouch for it, and its key, both
// PEM. An error is an ErrCertificate.
func LoadFiles(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := f.load(); err != nil {
		return nil, err
	}
	f.checked = f.now()
	return f, nil
}

func (f *Files) load() error {
	info, err := os.Stat(f.certFile)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if f.current != nil && info.ModTime().Equal(f.changed) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrCertificate, f.certFile, err)
	}
	if f.current != nil {
		f.log.Info("certificate read again", "file", f.certFile, "until", pair.Leaf.NotAfter)
	}
	f.current, f.changed = &pair, info.ModTime()
	return nil
}

// Certificate returns the certificate to use now; tls.Config.GetCertificate. A new
// one that cannot be used leaves the old one in place.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.checked) >= recheck {
		f.checked = now
		if err := f.load(); err != nil {
			f.log.Warn("the changed certificate is not used", "error", err)
		}
	}
	return f.current, nil
}
