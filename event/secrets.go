package event

import (
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
// that give access. They are taken out of error texts too, in which a worker may
// quote them.
func scrubbed[M proto.Message](m M) M {
	if !m.ProtoReflect().IsValid() {
		return m // a nil message
	}
	m = proto.CloneOf(m)
	var withheld []string
	eachText(m.ProtoReflect(), func(f protoreflect.FieldDescriptor, s string) string {
		switch {
		case isSecret(f):
			withheld = append(withheld, s)
			return ""
		case isURL(f):
			clean, parts := scrubURL(s)
			withheld = append(withheld, parts...)
			return clean
		default:
			return s
		}
	})
	eachText(m.ProtoReflect(), func(f protoreflect.FieldDescriptor, s string) string {
		if f.Name() == "error" || f.Name() == "details" {
			for _, secret := range withheld {
				if len(secret) >= 4 { // shorter ones are part of any word
					s = strings.ReplaceAll(s, secret, redacted)
				}
			}
		}
		return s
	})
	return m
}

// alsoSecret lists the fields that give access without being declared secret.
var alsoSecret = map[protoreflect.FullName]bool{
	"livekit.ProxyConfig.username": true,
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
	return name == "url" || name == "urls" || strings.HasSuffix(name, "_url") || strings.HasSuffix(name, "_urls") ||
		name == "endpoint"
}

// ScrubURL returns what may be shown of a URL that events tell of: its user, password,
// values of parameters, fragment and stream key are withheld.
func ScrubURL(s string) string {
	clean, _ := scrubURL(s)
	return clean
}

// scrubURL withholds what gives access: user and password, the values of the
// query, the fragment, and the stream key, which is the last part of an RTMP
// path and all that follows twitch:// and mux://. What remains names the
// destination. It takes any text, also what is no URL.
func scrubURL(s string) (clean string, withheld []string) {
	withhold := func(part string) string {
		if part == "" {
			return ""
		}
		withheld = append(withheld, part)
		return redacted
	}
	var scheme string
	if before, after, ok := strings.Cut(s, "://"); ok {
		scheme, s = before+"://", after
	}
	s, fragment, hasFragment := strings.Cut(s, "#")
	s, query, hasQuery := strings.Cut(s, "?")
	host, path, hasPath := strings.Cut(s, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		_, password, ok := strings.Cut(host[:at], ":")
		if ok {
			withhold(password)
		}
		host = withhold(host[:at]) + host[at:]
	}
	switch strings.ToLower(scheme) {
	case "rtmp://", "rtmps://":
		key := strings.LastIndexByte(path, '/') + 1
		path = path[:key] + withhold(path[key:])
	case "twitch://", "mux://":
		host, path = withhold(host), withhold(path)
	}
	clean = scheme + host
	if hasPath {
		clean += "/" + path
	}
	if hasQuery {
		params := strings.Split(query, "&")
		for i, param := range params {
			if name, value, ok := strings.Cut(param, "="); ok {
				params[i] = name + "=" + withhold(value)
			} else {
				params[i] = withhold(param) // a bare token
			}
		}
		clean += "?" + strings.Join(params, "&")
	}
	if hasFragment {
		clean += "#" + withhold(fragment)
	}
	return clean, withheld
}
