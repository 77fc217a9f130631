package event

import (
	"net/url"
	"strings"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/livekit/logger"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// redacted stands where a part of a URL is withheld.
const redacted = "{redacted}"

// withoutSecrets returns room without the TURN password that the message can
// carry. Unlike the rest it is asked for with almost every event.
func withoutSecrets(room *livekit.Room) *livekit.Room {
	if room.GetTurnPassword() == "" {
		return room
	}
	room = proto.CloneOf(room)
	room.TurnPassword = ""
	return room
}

// scrubbed returns a copy of an egress or ingress without its credentials: what
// LiveKit's messages declare a secret is left out, and so are the parts of URLs
// that give access.
func scrubbed[M proto.Message](m M) M {
	if !m.ProtoReflect().IsValid() {
		return m // a nil message
	}
	m = proto.CloneOf(m)
	eachText(m.ProtoReflect(), func(f protoreflect.FieldDescriptor, s string) string {
		switch {
		case isSecret(f):
			return ""
		case isURL(f):
			return scrubURL(s)
		default:
			return s
		}
	})
	return m
}

// alsoSecret lists the fields that give access without being declared secret.
var alsoSecret = map[protoreflect.FullName]bool{
	"livekit.S3Upload.assume_role_external_id": true,
	"livekit.ProxyConfig.username":             true,
}

// isSecret says whether the field's text is left out of a body.
func isSecret(f protoreflect.FieldDescriptor) bool {
	if alsoSecret[f.FullName()] {
		return true
	}
	sensitivity, ok := proto.GetExtension(f.Options(), logger.E_Sensitivity).(logger.Sensitivity)
	return ok && sensitivity == logger.Sensitivity_SENSITIVITY_SECRET
}

// isURL says whether the field's text is a URL, by its name, as all in
// LiveKit's messages are.
func isURL(f protoreflect.FieldDescriptor) bool {
	name := string(f.Name())
	return name == "url" || name == "urls" || strings.HasSuffix(name, "_url") || strings.HasSuffix(name, "_urls")
}

// scrubURL withholds the password, the values of the query and the fragment,
// and the key that is the last part of a stream's path; for twitch:// and mux://
// that is all of it. What remains names the destination.
func scrubURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return redacted
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		if u.Scheme != "" { // mailto:like
			return u.Scheme + ":" + redacted
		}
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	if rest, _, ok = strings.Cut(rest, "#"); ok {
		rest += "#" + redacted
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	host, path, hasPath := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = redacted + host[at:]
	}
	switch strings.ToLower(u.Scheme) {
	case "rtmp", "rtmps":
		if hasPath {
			path = path[:strings.LastIndexByte(path, '/')+1] + redacted
		}
	case "twitch", "mux":
		host, path = redacted, ""
		hasPath = false
	}
	if hasPath {
		path = "/" + path
	}
	if hasQuery {
		query = "?" + scrubQuery(query)
	}
	return scheme + host + path + query + fragment
}

func scrubQuery(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		if name, value, ok := strings.Cut(part, "="); ok && value != "" {
			parts[i] = name + "=" + redacted
		} else if !ok && part != "" {
			parts[i] = redacted // a bare value, such as a token
		}
	}
	return strings.Join(parts, "&")
}
