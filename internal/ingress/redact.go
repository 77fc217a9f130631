package ingress

import (
	"net/url"
	"regexp"
	"strings"
)

// urls in a text go to the next space: what they quote may hold quotes itself.
var urls = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://\S*`)

// redact takes out of a text for people what gives access: of every URL only the
// scheme and the host stay, and what source, the endpoint's own URL, has as password
// and parameters goes wherever it stands.
func redact(text, source string) string {
	if source != "" {
		text = strings.ReplaceAll(text, source, bare(source))
		for _, secret := range secrets(source) {
			text = strings.ReplaceAll(text, secret, "{secret}")
		}
	}
	return urls.ReplaceAllStringFunc(text, func(found string) string {
		end := strings.TrimRight(found, `:;,.'")]`)
		return bare(end) + found[len(end):]
	})
}

// maxText is the longest text for people of why a session ended, in bytes.
const maxText = 1 << 10

// legible is a text that can be told: in UTF-8, whatever a source has put into what a
// program quotes of it, and no longer than it is read.
func legible(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// bare is a URL without all that may be secret.
func bare(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return "{URL}"
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	return scheme + "://" + rest
}

// minSecret is the shortest text that is taken for one of a URL's: shorter ones are in
// any sentence.
const minSecret = 6

func secrets(raw string) (found []string) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil
	}
	add := func(s string) {
		if len(s) >= minSecret {
			found = append(found, s)
		}
	}
	if u.User != nil {
		add(u.User.String())
		password, _ := u.User.Password()
		add(password)
		add(url.QueryEscape(password))
	}
	add(u.RawQuery)
	for _, values := range u.Query() {
		for _, v := range values {
			add(v)
			add(url.QueryEscape(v))
		}
	}
	return found
}
