package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
)

// srtOptions are the parameters that a URL may set, as ffmpeg's options are named: none
// has it listen. mode may be caller, which it is anyway.
var srtOptions = map[string]string{
	"streamid": "srt_streamid", "passphrase": "passphrase", "pbkeylen": "pbkeylen",
	"latency": "latency", "rcvlatency": "rcvlatency", "transtype": "transtype",
}

// srtTimeout is how long a peer may be mute, in microseconds.
const srtTimeout = "15000000"

// checkSRT says what is wrong with what comes after an SRT URL's host. ffmpeg reads it
// in another way than RFC 3986 says, so that what is odd is refused.
func checkSRT(u *url.URL, raw string) error {
	switch {
	case u.Port() == "":
		return errors.New("the SRT URL names no port")
	case u.User != nil:
		return errors.New("an SRT URL has no user: use passphrase and streamid")
	case strings.Contains(raw, "#"):
		return errors.New("an SRT URL has no fragment: write # as %23")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("malformed parameters in the SRT URL")
	}
	for name, values := range query {
		switch {
		case name == "mode" && !slices.Equal(values, []string{"caller"}):
			return errors.New("SRT sources are called: mode must be caller")
		case name != "mode" && srtOptions[name] == "":
			return fmt.Errorf("SRT parameter %.32q is not known here", name)
		case len(values) != 1:
			return fmt.Errorf("SRT parameter %q is there more than once", name)
		}
	}
	return nil
}

// srtInput is how a child is to fetch from an SRT URL that was checked. Its name is
// replaced by an address that may be reached: the child asks nobody again. Of the rest
// it gets nothing as it was written.
func srtInput(ctx context.Context, guard Guard, u *url.URL) (ffmpeg.Input, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return ffmpeg.Input{}, fmt.Errorf("find the source: %w", err)
	}
	if len(addrs) == 0 {
		return ffmpeg.Input{}, errors.New("the source's name has no address")
	}
	for _, a := range addrs {
		if err := guard(a.Unmap()); err != nil {
			return ffmpeg.Input{}, err
		}
	}
	in := ffmpeg.Input{URL: "srt://" + net.JoinHostPort(addrs[0].Unmap().String(), u.Port()), Options: []string{"-timeout", srtTimeout}}
	query := u.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if option := srtOptions[name]; option != "" {
			in.Options = append(in.Options, "-"+option, query.Get(name))
		}
	}
	return in, nil
}
