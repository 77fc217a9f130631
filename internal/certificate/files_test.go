package certificate

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/pki"
)

func TestRenewedFilesAreUsedAndBrokenOnesAreNot(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := pki.Write(t, dir, "old.test")
	f, err := LoadFiles(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	f.now = func() time.Time { return now }
	f.checked = now
	want := func(why, name string) {
		t.Helper()
		c, err := f.Certificate(nil)
		if err != nil || c.Leaf.Subject.CommonName != name {
			t.Errorf("%s: %v, %v, want %s", why, c.Leaf.Subject.CommonName, err, name)
		}
	}
	touch := func(ahead time.Duration) {
		t.Helper()
		if err := os.Chtimes(certFile, time.Time{}, now.Add(ahead)); err != nil {
			t.Fatal(err)
		}
	}
	pki.Write(t, dir, "new.test")
	touch(time.Minute)
	want("not looked at yet", "old.test")
	now = now.Add(2 * recheck)
	want("renewed", "new.test")
	if err := os.WriteFile(certFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	touch(time.Hour)
	now = now.Add(2 * recheck)
	want("broken", "new.test")
}

func TestFilesThatCannotBeUsedAreNamed(t *testing.T) {
	dir := t.TempDir()
	certFile, _ := pki.Write(t, dir, "a.test")
	_, otherKey := pki.Write(t, t.TempDir(), "b.test")
	for what, files := range map[string][2]string{
		"no file":     {filepath.Join(dir, "none.pem"), otherKey},
		"another key": {certFile, otherKey},
	} {
		if _, err := LoadFiles(files[0], files[1], slog.New(slog.DiscardHandler)); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
