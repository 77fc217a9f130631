package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	rtc "github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const doctorAbout = `Finds out whether a server can be used from this machine: that it answers, that the
API key is accepted and strong, that clocks agree, that media flows over UDP, TCP
and TURN, and that webhook endpoints answer. It opens a room of its own for that,
named doctor-…, and closes it; endpoints hear of it as of any room, and each gets
one signed sample, unless --no-endpoints is there. It fails if something is wrong.

The ten mistakes that it finds, each with what to do about it:

   1  the port is closed, or the URL is another one's
   2  the certificate is of another name, expired, soon to expire or not trusted
   3  the page is not secure, so that browsers give no camera and microphone
   4  the server is not ready: its log is full or failed, or it drains
   5  a proxy in front does not pass on WebSockets
   6  clocks differ, so that tokens are not valid yet or any more
   7  the API key is another one, or its secret is known or can be guessed
   8  media does not flow over UDP: a firewall, or a wrong rtc.node_ip
   9  there is no way around a closed UDP port: TCP or TURN
  10  a webhook endpoint does not answer, or refuses what it gets

  rollcall doctor --dev
  rollcall doctor --url https://rooms.example.com --config rollcall.yaml`

// A diagnosis is what one check came to.
type diagnosis struct {
	Name   string `json:"name"`
	Result result `json:"result"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"` // what to do about it
}

// result is one of these.
type result string

const (
	fine    result = "ok"
	warning result = "warning"
	failure result = "failure"
	skipped result = "skipped"
)

// errUnwell is that the doctor found something wrong, which is said already.
var errUnwell = errors.New("something is wrong, see above")

// doctor looks at one server.
type doctor struct {
	*client
	env       environment
	json      bool
	noTURN    bool // known once somebody has joined
	diagnoses []diagnosis
}

func examine(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var noEndpoints bool
	fs := flag.NewFlagSet("rollcall doctor", flag.ContinueOnError)
	f.register(fs)
	fs.BoolVar(&noEndpoints, "no-endpoints", false, "send webhook endpoints no sample")
	if err := parseFlags(fs, args, env, doctorAbout); err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	d := &doctor{client: c, env: env, json: f.json}
	if d.answers(ctx) && d.accepts(ctx) {
		d.strength()
		d.flows(ctx)
		if !noEndpoints {
			d.delivers(ctx)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if d.json {
		raw, err := json.Marshal(d.diagnoses)
		if err != nil {
			return err
		}
		printJSON(env.stdout, raw)
	}
	for _, f := range d.diagnoses {
		if f.Result == failure {
			return errUnwell
		}
	}
	return nil
}

// found tells and keeps a diagnosis, and returns whether it is no failure.
func (d *doctor) found(f diagnosis) bool {
	d.diagnoses = append(d.diagnoses, f)
	if !d.json {
		s := styleFor(d.env.stdout, d.env.environ)
		mark := map[result]string{fine: s.good("ok     "), warning: s.bold("warning"), failure: s.bad("failure"), skipped: s.faint("skipped")}[f.Result]
		fmt.Fprintf(d.env.stdout, "%s  %s  %s\n", mark, pad(f.Name, 18), f.Detail)
		if f.Hint != "" {
			fmt.Fprintf(d.env.stdout, "%s%s\n", strings.Repeat(" ", 29), f.Hint)
		}
	}
	return f.Result != failure
}

// answers checks that there is a server, and its clock.
func (d *doctor) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/", nil)
	if err != nil {
		return d.found(diagnosis{"server", failure, err.Error(), ""})
	}
	began := time.Now()
	resp, err := d.http.Do(req)
	if err != nil {
		return d.found(diagnosis{"server", failure, d.unreachable(ctx, err).Error(), unreachableHint(err)})
	}
	_ = resp.Body.Close()
	took := time.Since(began)
	if resp.StatusCode != http.StatusOK {
		return d.found(diagnosis{"server", failure, fmt.Sprintf("%s answers %s to GET /", d.base, resp.Status), "The server, or a proxy in front of it, is not ready."})
	}
	d.found(diagnosis{"server", fine, fmt.Sprintf("%s answers in %s", d.base, millis(float64(took.Microseconds())/1000)), ""})
	d.found(secureDiagnosis(resp.TLS, d.local(), time.Now()))
	d.takesClients(ctx)
	d.passesWebSockets(ctx)
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		d.found(clockDiagnosis(began.Add(took / 2).Sub(at)))
	}
	return true
}

// clockDiagnosis judges how much this machine's clock is ahead of the server's, which
// tells only seconds.
func clockDiagnosis(ahead time.Duration) diagnosis {
	f := diagnosis{"clock", fine, "agrees with the server's", ""}
	if off := ahead.Abs(); off > 2*time.Second {
		word := "ahead of"
		if ahead < 0 {
			word = "behind"
		}
		f.Detail = fmt.Sprintf("%s %s the server's", off.Round(time.Second), word)
		f.Result, f.Hint = warning, "Tokens are valid for a time: let both machines follow a time server."
		if off > time.Minute {
			f.Result = failure
		}
	}
	return f
}

// accepts checks the API key.
func (d *doctor) accepts(ctx context.Context) bool {
	list, err := d.rooms(token.VideoGrant{RoomList: true}).ListRooms(ctx, &livekit.ListRoomsRequest{})
	if err != nil {
		return d.found(diagnosis{"API key", failure, said(err).Error(), "The server's configuration has other keys: see --key, --secret and --config."})
	}
	return d.found(diagnosis{"API key", fine, fmt.Sprintf("%s is accepted; %s open", d.key, plural(len(list.Rooms), "room")), ""})
}

// minSecret is how many bytes RFC 7518 §3.2 wants of a key for HS256.
const minSecret = 32

// strength judges the secret: who guesses it is an admin.
func (d *doctor) strength() {
	f := diagnosis{"key strength", fine, fmt.Sprintf("the secret has %s", plural(len(d.secret), "character")), ""}
	weak := d.key == config.DevKey && d.secret == config.DevSecret || len(d.secret) < minSecret
	switch {
	case weak && d.local():
		f.Result, f.Hint = warning, "Good enough for this machine only."
	case weak:
		f.Result, f.Hint = failure, fmt.Sprintf("Whoever guesses it is an admin of every room. Use one of %d random characters or more.", minSecret)
	}
	d.found(f)
}

// local says whether the server is on this machine.
func (d *doctor) local() bool {
	u, err := url.Parse(d.base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// way is one way for media to the server.
type way struct {
	name, hint string
	result     result // if media does not flow
	needsTURN  bool
	configure  func(*rtc.Options)
}

var waysOfMedia = []way{
	{"media over UDP", "Open the server's UDP port (rtc.udp_port) in the firewall, and see rtc.node_ip and rtc.use_external_ip: clients must be told an address that they reach.", failure, false,
		func(o *rtc.Options) { o.NetworkTypes = rtc.UDP }},
	{"media over TCP", "Clients whose network blocks UDP need the server's TCP port (rtc.tcp_port).", warning, false,
		func(o *rtc.Options) { o.NetworkTypes = rtc.TCP }},
	{"media over TURN", "Clients behind strict firewalls need TURN: see turn in rollcall.yaml.", warning, true,
		func(o *rtc.Options) { o.RelayOnly = true }},
}

// flows checks that sound from one participant arrives at another, over each way.
func (d *doctor) flows(ctx context.Context) {
	room := "doctor-" + strings.ToLower(rand.Text()[:10])
	defer func() {
		// Also if the doctor is sent away.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = d.rooms(token.VideoGrant{RoomCreate: true}).DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: room})
	}()
	for _, w := range waysOfMedia {
		if ctx.Err() != nil {
			return
		}
		if w.needsTURN && d.noTURN {
			d.found(diagnosis{w.name, skipped, "the server offers none", w.hint})
			continue
		}
		took, err := d.flowsOver(ctx, room, w)
		switch {
		case err == nil:
			d.found(diagnosis{w.name, fine, fmt.Sprintf("sound arrives %s after joining", millis(float64(took.Milliseconds()))), ""})
		default:
			d.found(diagnosis{w.name, w.result, err.Error(), w.hint})
		}
	}
}

var errNoSound = errors.New("no sound arrives")

// forMedia is how long media may take to arrive.
const forMedia = 12 * time.Second

// flowsOver returns how long sound took to arrive.
func (d *doctor) flowsOver(ctx context.Context, room string, w way) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, forMedia, errNoSound)
	defer cancel()
	heard := make(chan struct{}, 1)
	listener, err := d.join(ctx, room, "listener", w, func(r *rtc.Room) {
		rtc.On(r, func(e rtc.TrackSubscribed) {
			go func() {
				if _, err := e.Track.ReadRTP(); err == nil {
					select {
					case heard <- struct{}{}:
					default:
					}
				}
			}()
		})
	})
	if err != nil {
		return 0, err
	}
	defer leave(listener)
	speaker, err := d.join(ctx, room, "speaker", w, nil)
	if err != nil {
		return 0, err
	}
	defer leave(speaker)
	track := rtc.NewLocalTrack(rtc.Opus)
	if _, err := speaker.Local().Publish(ctx, rtc.PublishOptions{}, track); err != nil {
		return 0, orCause(ctx, err)
	}
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	for {
		select {
		case <-heard:
			return time.Since(began), nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-beat.C:
			if err := track.WriteSample(rtc.Sample{Data: opusSilence, Duration: 20 * time.Millisecond}); err != nil {
				return 0, err
			}
		}
	}
}

// opusSilence is 20 ms of nothing (RFC 6716 §3.1: CELT, fullband, one frame).
var opusSilence = []byte{0xf8, 0xff, 0xfe}

// orCause is why ctx ended, if it did, and else err.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// join joins the room over one way for media only.
func (d *doctor) join(ctx context.Context, room, identity string, w way, setup func(*rtc.Room)) (*rtc.Room, error) {
	claims := &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: room}}
	raw, err := token.Mint(d.key, d.secret, claims, time.Now(), time.Minute)
	if err != nil {
		return nil, err
	}
	opts := rtc.Options{Setup: setup, Reconnect: rtc.ReconnectPolicy{Attempts: -1}}
	w.configure(&opts)
	r, err := rtc.Connect(ctx, d.base, raw, opts)
	if err != nil {
		return nil, orCause(ctx, err)
	}
	if servers, err := r.ICEServers(ctx); err == nil {
		d.noTURN = true
		for _, s := range servers {
			d.noTURN = d.noTURN && !slices.ContainsFunc(s.URLs, func(u string) bool { return strings.HasPrefix(u, "turn") })
		}
	}
	return r, nil
}

// leave leaves a room, without waiting for long.
func leave(r *rtc.Room) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = r.Disconnect(ctx)
}

// delivers checks that webhook endpoints accept a signed sample.
func (d *doctor) delivers(ctx context.Context) {
	var list struct{ Endpoints []endpoint }
	if _, err := d.call(ctx, "GET", "/endpoints", nil, nil, &list); err != nil {
		d.found(diagnosis{"webhooks", skipped, err.Error(), ""})
		return
	}
	if len(list.Endpoints) == 0 {
		d.found(diagnosis{"webhooks", skipped, "there is no endpoint", "To hear of events: rollcall endpoints add URL"})
	}
	for _, e := range list.Endpoints {
		name := "endpoint " + e.ID
		if e.Paused {
			d.found(diagnosis{name, warning, e.URL + " is paused", "rollcall endpoints resume " + e.ID})
			continue
		}
		var a attempt
		if _, err := d.call(ctx, "POST", "/endpoints/"+url.PathEscape(e.ID)+"/test", nil, nil, &a); err != nil {
			d.found(diagnosis{name, failure, err.Error(), ""})
			continue
		}
		if a.Delivered {
			d.found(diagnosis{name, fine, fmt.Sprintf("%s answers %d after %s", e.URL, a.Status, millis(a.LatencyMS)), ""})
			continue
		}
		d.found(diagnosis{name, failure, e.URL + ": " + a.why(), "Its receiver has to answer with a status from 200 to 299; rollcall verify says why a webhook does not verify."})
	}
}
