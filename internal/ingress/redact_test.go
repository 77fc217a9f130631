package ingress

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
)

func TestURLsInTextsAreRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"nothing of that kind: 12:30": "nothing of that kind: 12:30",
		"ffmpeg failed: https://u:pass@a.example/p/t0ken?sig=x: Server returned 403": "ffmpeg failed: https://a.example: Server returned 403",
		"srt://192.0.2.1:9000?passphrase=geheim: Input/output error":                 "srt://192.0.2.1:9000: Input/output error",
		`Opening 'http://a.example/it's?k=v' for reading`:                            "Opening 'http://a.example' for reading",
		`Get "https://[2001:db8::1]:8443/x?y": EOF`:                                  `Get "https://[2001:db8::1]:8443": EOF`,
		"two: http://a/b, crypto+http://u@c/d.":                                      "two: http://a, crypto+http://c.",
	} {
		if got := redact(text, ""); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	own := "https://me:pass%20word@a.example/x?token=abc+def"
	if got := redact("said: "+own+" and pass word, abc def", own); got != "said: https://a.example and {secret}, {secret}" {
		t.Error(got)
	}
}

// What a library or a child says may quote the URL with all that is secret in it.
func TestTheEndOfASessionTellsNoSecrets(t *testing.T) {
	fail, ended := make(chan error), make(chan (<-chan struct{}), 1)
	r := newRig(t, nil, func(o *Options) {
		o.Pull = func(_ context.Context, x *Session) error {
			ended <- x.Ended()
			return <-fail
		}
	})
	const source = "https://camera:hunter22@a.example/x.m3u8?sig=s3cr3tt0ken"
	info := r.create(func(req *livekit.CreateIngressRequest) {
		req.InputType, req.Url = livekit.IngressInput_URL_INPUT, source
	})
	fail <- errors.New("ffmpeg failed: " + source + ": 403; also srt://b.example:9?passphrase=0123456789, then hunter22")
	<-<-ended
	text := r.state(info.IngressId).Error
	if want := "ffmpeg failed: https://a.example: 403; also srt://b.example:9, then {secret}"; text != want {
		t.Errorf("error is %q, want %q", text, want)
	}
	// Who makes it knows the URL. Others are shown what names the source.
	if info.Url != source {
		t.Errorf("made with %s", info.Url)
	}
	list, err := r.List(t.Context(), &livekit.ListIngressRequest{})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := r.Delete(t.Context(), info.IngressId)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []*livekit.IngressInfo{list.Items[0], gone} {
		if want := "https://{redacted}@a.example/x.m3u8?sig={redacted}"; shown.Url != want {
			t.Errorf("shown as %s, want %s", shown.Url, want)
		}
	}
	for _, secret := range []string{"hunter22", "s3cr3tt0ken", "0123456789"} {
		if strings.Contains(r.logs.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// What a program quotes of a source may be no text, and without end.
func TestTheEndOfASessionIsAText(t *testing.T) {
	r := newRig(t, nil)
	info := r.create()
	for said, want := range map[string]string{
		"a title of \xff\xfe":       "a title of ",
		strings.Repeat("ж", 10_000): strings.Repeat("ж", maxText/2) + "…",
	} {
		r.admit(info).End(errors.New(said))
		if text := r.state(info.IngressId).Error; text != want {
			t.Errorf("%.40q… of %d bytes, want %.40q… of %d", text, len(text), want, len(want))
		}
	}
}
