package rawfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// pipe makes one of which both ends are ours.
func pipe(t *testing.T) (r, w *File) {
	t.Helper()
	w, theirs, err := ToChild()
	if err != nil {
		t.Fatal(err)
	}
	if r, err = New(theirs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
	})
	return r, w
}

// More than the kernel buffers, and than one call takes.
func TestMuchArrivesWhole(t *testing.T) {
	r, w := pipe(t)
	sent := make([]byte, 2<<20+1)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	wrote := make(chan error, 1)
	go func() {
		n, err := w.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		wrote <- errors.Join(err, w.Close())
	}()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("read %d bytes of %d, %v", len(got), len(sent), err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func TestErrorsAreThoseOfFiles(t *testing.T) {
	r, w := pipe(t)
	if err := r.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after the deadline: %d %v", n, err)
	}
	if err := w.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	full := make([]byte, 1<<20)
	if n, err := w.Write(full); n == 0 || n == len(full) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write to a full pipe: %d %v", n, err)
	}
	if err := errors.Join(w.SetWriteDeadline(time.Time{}), r.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(full); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to who has gone: %v", err)
	}
	if _, err := r.Read(full); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read of a closed file: %v", err)
	}
}

// Close ends a Read that waits.
func TestCloseIsSeen(t *testing.T) {
	r, _ := pipe(t)
	failed := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 1))
		failed <- err
	}()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}
