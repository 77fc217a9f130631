package source

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// secureSuffix ends the host of an http: URL that stands for one of https:. No name on
// the internet ends so (RFC 6761 §6.4). IPv6 addresses have dashes for colons, and
// addressSuffix.
const (
	secureSuffix  = ".s.invalid"
	addressSuffix = ".v6"
)

// An alias is what a child knows its source by: nothing that gives access is in it.
type alias struct {
	url    string
	origin string        // scheme and host
	user   *url.Userinfo // nil: there is none
	mark   string        // stands for query; empty: there is none
	query  string
}

func newAlias(u *url.URL) (*alias, error) {
	a := &alias{origin: origin(u), user: u.User, query: u.RawQuery}
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if plain.Path == "" {
		plain.Path = "/"
	}
	if a.query != "" {
		a.mark = "q=" + rand.Text()
		plain.RawQuery = a.mark
	}
	var err error
	a.url, err = toPlain(plain.String(), u.Scheme)
	return a, err
}

func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Port() == "" {
		host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return u.Scheme + "://" + host
}

// restore makes of a URL that a child asks for the one that is meant.
func (a *alias) restore(u *url.URL) {
	fromPlain(u)
	if a.mark != "" && u.RawQuery == a.mark {
		u.RawQuery = a.query
	}
	if u.User == nil && origin(u) == a.origin {
		u.User = a.user
	}
}

// absolute is a reference with a scheme (RFC 3986 §3.1).
var absolute = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)

// toPlain makes of a reference in something that came by scheme one that a child can
// follow, which knows http: alone. Relative ones stay as they are.
func toPlain(ref, scheme string) (string, error) {
	if strings.HasPrefix(ref, "//") {
		ref = scheme + ":" + ref
	}
	m := absolute.FindStringSubmatch(ref)
	if m == nil {
		return ref, nil
	}
	rest, ok := strings.CutPrefix(ref[len(m[0]):], "//")
	switch s := strings.ToLower(m[1]); {
	case s != "http" && s != "https":
		return "", fmt.Errorf("the source names a URL with %.16q, which is not fetched: http and https are", m[1])
	case !ok:
		return "", errors.New("the source names a malformed URL")
	case s == "http":
		return "http://" + rest, nil
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, path := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@') + 1
	u, err := url.Parse("https://" + authority[at:])
	if err != nil || u.Hostname() == "" {
		return "", errors.New("the source names a malformed URL")
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		if addr.Zone() != "" {
			return "", errors.New("the source names an address with a zone")
		}
		host = strings.ReplaceAll(addr.String(), ":", "-") + addressSuffix
	}
	host += secureSuffix
	if u.Port() != "" {
		host += ":" + u.Port()
	}
	return "http://" + authority[:at] + host + path, nil
}

// fromPlain is the reverse of toPlain.
func fromPlain(u *url.URL) {
	host, ok := strings.CutSuffix(u.Hostname(), secureSuffix)
	if !ok {
		return
	}
	if dashed, ok := strings.CutSuffix(host, addressSuffix); ok {
		if addr, err := netip.ParseAddr(strings.ReplaceAll(dashed, "-", ":")); err == nil && addr.Is6() {
			host = "[" + addr.String() + "]"
		}
	}
	if u.Port() != "" {
		host += ":" + u.Port()
	}
	u.Scheme, u.Host = "https", host
}

// plainURL is an http: URL that stands for one of https:.
var plainURL = regexp.MustCompile(`http://([^\s/?#]*)` + regexp.QuoteMeta(secureSuffix))

// told is an error of a child whose text has the URLs that are meant.
type told struct {
	text string
	error
}

func (e told) Error() string { return e.text }
func (e told) Unwrap() error { return e.error }

func tell(err error) error {
	if err == nil || !strings.Contains(err.Error(), secureSuffix) {
		return err
	}
	return told{plainURL.ReplaceAllString(err.Error(), "https://$1"), err}
}
