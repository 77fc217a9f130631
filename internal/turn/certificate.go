package turn

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

// certificate is read again when its file changes, because those who renew it
// do not restart us.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate // mu guards
	changed time.Time        // mu guards; of the file
	checked time.Time        // mu guards
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.checked = time.Now()
	return c, nil
}

func (c *certificate) load() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if c.current != nil && info.ModTime().Equal(c.changed) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrCertificate, c.certFile, err)
	}
	c.current, c.changed = &pair, info.ModTime()
	return nil
}

// at returns the certificate to use now. A new one that cannot be used leaves
// the old one in place.
func (c *certificate) at(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.checked) >= recheck {
		c.checked = now
		if err := c.load(); err != nil {
			c.log.Warn("the changed certificate of TURN is not used", "error", err)
		}
	}
	return c.current
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.at(time.Now()), nil
		},
	}
}
