package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/webhook"
)

const receiveAbout = `Receives webhooks on this machine, verifies them and prints one line for each: what
an application's receiver would get, before there is one.

  rollcall receive --dev
  rollcall receive --key k --secret s --addr localhost:3000

What does not verify is answered with 401 and the reason.`

// receiver prints the webhooks that it verified.
type receiver struct {
	webhook webhook.Receiver
	style   style
	json    bool
	env     environment
	mu      sync.Mutex // held while a line is printed
}

// receive is a receiver of webhooks.
func receive(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var addr string
	fs := flag.NewFlagSet("rollcall receive", flag.ContinueOnError)
	f.RegisterKeys(fs)
	fs.StringVar(&f.key, "key", "", "API `key` (default the only one of --keys, --config or ROLLCALL_KEYS)")
	fs.StringVar(&f.secret, "secret", "", "its `secret`")
	fs.BoolVar(&f.json, "json", false, "print the bodies")
	fs.StringVar(&addr, "addr", "localhost:3000", "`address` to listen on")
	if err := parseFlags(fs, args, env, receiveAbout); err != nil {
		return err
	}
	key, secret, err := f.credentials(env.environ)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	r := &receiver{webhook: webhook.Receiver{Keys: webhook.Keys{key: secret}}, style: styleFor(env.stdout, env.environ), json: f.json, env: env}
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", r)
	if !f.json {
		fmt.Fprintf(env.stdout, "Receiving at http://%s/webhook, signed with key %s.\n", l.Addr(), key)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	err = srv.Close()
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// ServeHTTP accepts what verifies.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	events, err := r.webhook.ReceiveAll(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		fmt.Fprintln(r.env.stderr, "rollcall: refused:", err)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	for _, ev := range events {
		r.show(ev)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) show(ev *webhook.Event) {
	if r.json {
		line, err := json.Marshal(json.RawMessage(ev.Raw)) // on one line
		if err != nil {
			panic("BUG: encode a verified body: " + err.Error())
		}
		fmt.Fprintf(r.env.stdout, "%s\n", line)
		return
	}
	d := ev.Delivery
	var notes []string
	note := func(is bool, format string, args ...any) {
		if is {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	note(ev.GetParticipant() != nil, "%s", ev.GetParticipant().GetIdentity())
	if info := ev.GetIngressInfo(); info != nil {
		note(true, "%s %s", info.ParticipantIdentity, ingressStatus(info))
		note(info.State.GetError() != "", "%s", shortened(info.State.GetError(), 60))
	}
	note(d.Attempt > 1, "attempt %d", d.Attempt)
	note(d.Late, "late")
	note(d.Test, "test")
	note(d.Synthesized, "concluded after a crash")
	note(d.Recovery != "", "recovery %s", d.Recovery)
	note(len(d.Gap) > 0, "given up before it: %v", d.Gap)
	note(len(d.Gone) > 0, "gone before it: %v", d.Gone)
	line := fmt.Sprintf("%s  %s  %s  %s", r.style.faint(fmt.Sprintf("%7d", d.Seq)), pad(ev.GetRoom().GetName(), 16),
		r.style.bold(pad(ev.GetEvent(), 30)), strings.Join(notes, ", "))
	fmt.Fprintln(r.env.stdout, strings.TrimRight(line, " "))
}
