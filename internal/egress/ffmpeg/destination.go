package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// destination is where a URL of the API leads.
type destination struct {
	scheme string // "rtmp", "rtmps" or "srt"
	user   string // of RTMP, with its @; "" for none
	host   string // with the port
	rest   string // of the URL, after the host
}

// Where a URL of somebody's without a host leads.
const (
	muxServer    = "rtmps://global-live.mux.com:443/app/"
	twitchServer = "rtmps://ingest.global-contribute.live-video.net:443/app/"
)

func parse(raw string) (d destination, err error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	switch scheme = strings.ToLower(scheme); scheme {
	case "mux":
		return parse(muxServer + rest)
	case "twitch":
		return parse(twitchServer + rest)
	case "rtmp", "rtmps", "srt":
	default:
		return d, fmt.Errorf("no way to send by %.16q", scheme)
	}
	d.scheme, d.host = scheme, rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		d.host, d.rest = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(d.host, '@'); i >= 0 {
		d.user, d.host = d.host[:i+1], d.host[i+1:]
	}
	u := url.URL{Host: d.host}
	port := cmp.Or(u.Port(), map[string]string{"rtmp": "1935", "rtmps": "443"}[scheme])
	if u.Hostname() == "" || port == "" {
		return d, errors.New("a destination without a host and a port")
	}
	d.host = net.JoinHostPort(u.Hostname(), port)
	return d, nil
}

// Host is the host and the port that a URL of the API leads to.
func Host(raw string) (host, port string, err error) {
	d, err := parse(raw)
	if err != nil {
		return "", "", err
	}
	return net.SplitHostPort(d.host)
}

// Protocols are what the program needs for a URL, for Need.
func Protocols(raw string) []string {
	d, err := parse(raw)
	switch {
	case err != nil:
		return nil
	case d.scheme == "rtmps": // TLS is ours
		return []string{"rtmp:"}
	}
	return []string{d.scheme + ":"}
}

// way is how a child reaches a destination, once.
type way struct {
	url   string // as the child knows it
	args  []string
	relay *relay // nil without one
}

// open prepares a connection. It ends early when stop is closed.
func (d *destination) open(g Guard, stop <-chan struct{}) (*way, error) {
	if d.scheme == "srt" {
		return d.openSRT(g, stop)
	}
	dial := g.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	r, err := newRelay(dial, d.host, d.scheme == "rtmps")
	if err != nil {
		return nil, err
	}
	w := &way{url: "rtmp://" + d.user + r.address() + d.rest, relay: r}
	w.args = []string{
		"-rw_timeout", "10000000", "-flvflags", "no_duration_filesize",
		// What the server is told of where it was found.
		"-rtmp_tcurl", d.scheme + "://" + d.host + "/" + app(d.rest),
		"-f", "flv", w.url,
	}
	return w, nil
}

// app is the application in what follows the host, as ffmpeg finds it: all that is
// before the last part, which has the key, but of two parts at most.
func app(rest string) string {
	path := strings.TrimPrefix(rest, "/")
	first, after, found := strings.Cut(path, "/")
	if !found {
		return path
	}
	second, _, deeper := strings.Cut(after, "/")
	if colon := strings.IndexByte(after, ':'); !deeper || colon >= 0 && colon < len(second) {
		return first
	}
	return first + "/" + second
}

// openSRT looks up the address, and has the child connect to that.
func (d *destination) openSRT(g Guard, stop <-chan struct{}) (*way, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-stop:
			cancel()
		case <-done:
		}
	}()
	host, port, err := net.SplitHostPort(d.host)
	if err != nil {
		return nil, err
	}
	a, _, err := g.Find(ctx, host)
	if err != nil {
		return nil, err
	}
	at := "srt://" + net.JoinHostPort(a.String(), port)
	if _, options, ok := strings.Cut(d.rest, "?"); ok {
		at += "?" + options
	}
	return &way{url: at, args: []string{"-muxdelay", "0", "-f", "mpegts", at}}, nil
}

// problem is why the destination was not reached, nil if it was or that is not known.
func (w *way) problem() error {
	if w.relay == nil {
		return nil
	}
	return w.relay.problem()
}

// close returns when nothing runs any more. The child must be gone.
func (w *way) close() {
	if w.relay != nil {
		w.relay.close()
	}
}
