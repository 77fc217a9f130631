package token

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxScanned is how long, in bytes, claims may be to be scanned. Their strings share the
// text of all: whoever keeps one of them keeps that.
const maxScanned = 2 << 10

// scanClaims returns what encoding/json would make of claims (FuzzScan), or nil if they
// are not quite as SDKs usually write them: it gives up at names that it does not know or
// that come twice, whitespace, escapes beyond ASCII, invalid UTF-8, null, fractions and
// roomConfig. Most tokens need none of that, and are spared reflection, whose code and
// tables no cache holds when somebody joins.
func scanClaims(text string) *wireClaims {
	if len(text) > maxScanned {
		return nil
	}
	s, w := scanner{rest: text}, new(wireClaims)
	s.claims(w)
	if s.gaveUp || s.rest != "" {
		return nil
	}
	return w
}

// A scanner reads JSON of a known shape. Once it has given up nothing is left to read.
type scanner struct {
	rest   string
	gaveUp bool
}

func (s *scanner) claims(w *wireClaims) {
	var o object
	for s.member(&o) {
		switch o.last() {
		case "iss":
			w.Issuer = s.text()
		case "sub":
			w.Subject = s.text()
		case "identity":
			s.text() // LiveKit's module for Go writes it beside sub, and nobody reads it
		case "exp":
			w.ExpiresAt = s.date()
		case "nbf":
			w.NotBefore = s.date()
		case "iat":
			w.IssuedAt = s.date()
		case "jti":
			w.ID = s.text()
		case "name":
			w.Name = s.text()
		case "kind":
			w.Kind = s.text()
		case "kindDetails":
			w.KindDetails = s.texts()
		case "video":
			w.Video = s.video()
		case "sip":
			w.SIP = s.sip()
		case "rollcall":
			w.Rollcall = s.rollcall()
		case "roomPreset":
			w.RoomPreset = s.text()
		case "sha256":
			w.SHA256 = s.text()
		case "metadata":
			w.Metadata = s.text()
		case "attributes":
			w.Attributes = s.attributes()
		default:
			s.giveUp()
		}
	}
}

func (s *scanner) video() *VideoGrant {
	var o object
	g := new(VideoGrant)
	for s.member(&o) {
		switch o.last() {
		case "roomCreate":
			g.RoomCreate = s.flag()
		case "roomList":
			g.RoomList = s.flag()
		case "roomRecord":
			g.RoomRecord = s.flag()
		case "ingressAdmin":
			g.IngressAdmin = s.flag()
		case "roomAdmin":
			g.RoomAdmin = s.flag()
		case "roomJoin":
			g.RoomJoin = s.flag()
		case "room":
			g.Room = s.text()
		case "destinationRoom":
			g.DestinationRoom = s.text()
		case "canPublish":
			g.CanPublish = new(s.flag())
		case "canSubscribe":
			g.CanSubscribe = new(s.flag())
		case "canPublishData":
			g.CanPublishData = new(s.flag())
		case "canPublishSources":
			g.CanPublishSources = s.texts()
		case "canUpdateOwnMetadata":
			g.CanUpdateOwnMetadata = new(s.flag())
		case "canSubscribeMetrics":
			g.CanSubscribeMetrics = new(s.flag())
		case "canManageAgentSession":
			g.CanManageAgentSession = new(s.flag())
		case "hidden":
			g.Hidden = s.flag()
		case "recorder":
			g.Recorder = s.flag()
		case "agent":
			g.Agent = s.flag()
		default:
			s.giveUp()
		}
	}
	return g
}

func (s *scanner) sip() *SIPGrant {
	var o object
	g := new(SIPGrant)
	for s.member(&o) {
		switch o.last() {
		case "admin":
			g.Admin = s.flag()
		case "call":
			g.Call = s.flag()
		default:
			s.giveUp()
		}
	}
	return g
}

func (s *scanner) rollcall() *RollcallGrant {
	var o object
	g := new(RollcallGrant)
	for s.member(&o) {
		switch o.last() {
		case "events":
			g.Events = s.flag()
		case "endpoints":
			g.Endpoints = s.flag()
		case "forget":
			g.Forget = s.flag()
		case "admin":
			g.Admin = s.flag()
		case "room":
			g.Room = s.text()
		default:
			s.giveUp()
		}
	}
	return g
}

// attributes has its own way to see that a name comes twice: there may be many.
func (s *scanner) attributes() map[string]string {
	m := make(map[string]string)
	for s.another(len(m), '{', '}') {
		name := s.name()
		if _, twice := m[name]; twice {
			s.giveUp()
		}
		m[name] = s.text()
	}
	return m
}

func (s *scanner) texts() []string {
	list := make([]string, 0, 4) // not nil, also if it has none
	for s.another(len(list), '[', ']') {
		list = append(list, s.text())
	}
	return list
}

// An object is the names that one has so far: at most those of VideoGrant, which has most.
type object struct {
	names [18]string
	n     int
}

func (o *object) last() string { return o.names[o.n-1] }

// member reads up to the value of the next member of o, and is false after the last.
func (s *scanner) member(o *object) bool {
	if !s.another(o.n, '{', '}') {
		return false
	}
	name := s.name()
	if s.gaveUp || o.n == len(o.names) || slices.Contains(o.names[:o.n], name) {
		s.giveUp()
		return false
	}
	o.names[o.n] = name
	o.n++
	return true
}

// another reads up to what comes after the first n between open and end, and is false if
// nothing does.
func (s *scanner) another(n int, open, end byte) bool {
	if n == 0 {
		s.expect(open)
	}
	if s.found(end) {
		return false
	}
	if n > 0 {
		s.expect(',')
	}
	return !s.gaveUp
}

func (s *scanner) name() string {
	name := s.text()
	s.expect(':')
	return name
}

func (s *scanner) text() string {
	s.expect('"')
	for i := range len(s.rest) {
		switch c := s.rest[i]; {
		case c == '"':
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			if !utf8.ValidString(text) {
				s.giveUp()
			}
			return text
		case c == '\\':
			return s.escaped(i)
		case c < ' ':
			s.giveUp()
			return ""
		}
	}
	s.giveUp()
	return ""
}

// escaped reads a string of which the first escape is at i, as in metadata that is JSON.
func (s *scanner) escaped(i int) string {
	text := append(make([]byte, 0, len(s.rest)), s.rest[:i]...)
	for s.rest = s.rest[i:]; s.rest != "" && s.rest[0] >= ' '; {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch c {
		case '"':
			if !utf8.Valid(text) {
				s.giveUp()
			}
			return string(text)
		case '\\':
			c = s.escape()
		}
		text = append(text, c)
	}
	s.giveUp()
	return ""
}

// escape reads what comes after a backslash, and returns what that stands for.
func (s *scanner) escape() byte {
	if s.rest == "" {
		return 0
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch c {
	case '"', '\\', '/':
		return c
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u': // Go's encoder has & and < and > so
		if len(s.rest) >= 4 && s.rest[:2] == "00" {
			if n, err := strconv.ParseUint(s.rest[2:4], 16, 7); err == nil {
				s.rest = s.rest[4:]
				return byte(n)
			}
		}
	}
	s.giveUp()
	return 0
}

// date reads whole seconds, as seconds.UnmarshalJSON does.
func (s *scanner) date() *seconds {
	end := 0
	for end < len(s.rest) && '0' <= s.rest[end] && s.rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s.rest[:end], 10, 64)
	if err != nil || n >= maxSeconds || s.rest[0] == '0' && end > 1 {
		s.giveUp()
		return nil
	}
	s.rest = s.rest[end:]
	at := new(seconds)
	at.Time = time.Unix(n, 0)
	return at
}

func (s *scanner) flag() bool {
	rest, is := strings.CutPrefix(s.rest, "true")
	if !is {
		var isNot bool
		if rest, isNot = strings.CutPrefix(s.rest, "false"); !isNot {
			s.giveUp()
			return false
		}
	}
	s.rest = rest
	return is
}

func (s *scanner) expect(c byte) {
	if !s.found(c) {
		s.giveUp()
	}
}

// found says whether c comes next, and then reads it.
func (s *scanner) found(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) giveUp() { s.rest, s.gaveUp = "", true }
