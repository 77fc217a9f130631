package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestReceivePrintsWhatVerifies(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out, stdout := io.Pipe()
			complaints, stderr := io.Pipe()
			lines, complaint := bufio.NewScanner(out), bufio.NewScanner(complaints)
			next := func(s *bufio.Scanner) string {
				t.Helper()
				if !s.Scan() {
					t.Fatalf("nothing was printed: %v", s.Err())
				}
				return s.Text()
			}
			addr := "127.0.0.1:0"
			args := []string{"--dev", "--addr", addr}
			if format == "json" {
				addr = freeAddr(t)
				args = []string{"--dev", "--json", "--addr", addr}
			}
			ended := make(chan error, 1)
			go func() {
				ended <- receive(ctx, args, environment{stdout: stdout, stderr: stderr})
				stdout.Close()
				stderr.Close()
			}()
			url := "http://" + addr + "/webhook"
			if format == "text" {
				url = strings.TrimSuffix(strings.Fields(next(lines))[2], ",")
			}

			send := make(chan error, 1)
			go func() { send <- sendSample(ctx, url) }()
			got := next(lines)
			want := []string{"den", "participant_joined", "eve"}
			if format == "json" {
				want = []string{`"event":"participant_joined"`, `"identity":"eve"`}
			}
			for _, part := range want {
				if !strings.Contains(got, part) {
					t.Errorf("%q does not say %s", got, part)
				}
			}
			if err := <-send; err != nil {
				t.Error(err)
			}

			refused := make(chan int, 1)
			go func() {
				resp, err := http.Post(url, "application/webhook+json", strings.NewReader("{}"))
				if err != nil {
					refused <- 0
					return
				}
				resp.Body.Close()
				refused <- resp.StatusCode
			}()
			if got := next(complaint); !strings.Contains(got, "refused: receive webhook: ") {
				t.Errorf("of a forgery it says %q", got)
			}
			if got := <-refused; got != http.StatusUnauthorized {
				t.Errorf("a forgery is answered with %d", got)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("receive = %v", err)
			}
		})
	}
}

// sendSample triggers an event, again while nobody listens yet.
func sendSample(ctx context.Context, url string) error {
	args := []string{"participant_joined", "--dev", "--room", "den", "--identity", "eve", "--to", url}
	for {
		err := trigger(ctx, args, environment{stdout: io.Discard, stderr: io.Discard})
		if err == nil || !strings.Contains(err.Error(), "refused") || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
