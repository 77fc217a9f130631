package request

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Redact returns a copy of a request without its secrets. In their place stands
// what they were, as LiveKit has it.
func Redact(req proto.Message) proto.Message {
	out := proto.Clone(req)
	redact(out.ProtoReflect())
	return out
}

// secrets are the fields that are, of any message of the API of egress.
var secrets = map[protoreflect.FullName]string{
	"livekit.S3Upload.access_key":              "{access_key}",
	"livekit.S3Upload.secret":                  "{secret}",
	"livekit.S3Upload.session_token":           "{session_token}",
	"livekit.S3Upload.assume_role_external_id": "{external_id}",
	"livekit.GCPUpload.credentials":            "{credentials}",
	"livekit.AzureBlobUpload.account_name":     "{account_name}",
	"livekit.AzureBlobUpload.account_key":      "{account_key}",
	"livekit.AliOSSUpload.access_key":          "{access_key}",
	"livekit.AliOSSUpload.secret":              "{secret}",
	"livekit.ProxyConfig.password":             "{password}",
}

// addresses are the fields that hold URLs, and what is done with them.
var addresses = map[protoreflect.FullName]func(string) string{
	"livekit.StreamOutput.urls":                          RedactStreamURL,
	"livekit.StreamDestination.url":                      RedactStreamURL,
	"livekit.TrackEgressRequest.websocket_url":           RedactStreamURL,
	"livekit.ProxyConfig.url":                            withoutUser,
	"livekit.WebEgressRequest.url":                       withoutUser,
	"livekit.WebSource.url":                              withoutUser,
	"livekit.WebhookConfig.url":                          RedactStreamURL,
	"livekit.RoomCompositeEgressRequest.custom_base_url": withoutUser,
	"livekit.TemplateSource.custom_base_url":             withoutUser,
}

func redact(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		clean := addresses[f.FullName()]
		switch {
		case f.IsMap():
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				redact(v.List().Get(i).Message())
			}
		case f.IsList() && clean != nil:
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfString(clean(v.List().Get(i).String())))
			}
		case f.IsList():
		case f.Kind() == protoreflect.MessageKind:
			redact(v.Message())
		case secrets[f.FullName()] != "":
			m.Set(f, protoreflect.ValueOfString(secrets[f.FullName()]))
		case clean != nil:
			m.Set(f, protoreflect.ValueOfString(clean(v.String())))
		}
		return true
	})
}

// rtmpURL is one whose last part is the key of the stream, with a query that is part
// of that; authURL one whose application has a query before the key; shortURL has
// nothing but a key.
var (
	rtmpURL  = regexp.MustCompile(`(?i)^(rtmps?://)([^/?#\s]+/)([^?#\s]+/)([^/?#\s]\S*)( live=1)?$`)
	authURL  = regexp.MustCompile(`(?i)^rtmps?://[^/?#\s]+/[^?#\s]+\?\S+/\S+$`)
	shortURL = regexp.MustCompile(`(?i)^(mux|twitch)://(\S+)$`)
)

// RedactStreamURL returns a destination of a stream without its key: of that the
// first and the last letters are left, so that it can be told apart.
func RedactStreamURL(s string) string {
	if m := shortURL.FindStringSubmatch(s); m != nil {
		return m[1] + "://" + redactKey(m[2])
	}
	if m := rtmpURL.FindStringSubmatch(s); m != nil {
		return withoutUser(m[1]+m[2]+m[3]) + redactKey(m[4]) + m[5]
	}
	base, query, _ := strings.Cut(s, "?")
	if query == "" {
		return withoutUser(s)
	}
	values := strings.Split(query, "&")
	for i, v := range values {
		if name, value, ok := strings.Cut(v, "="); ok && value != "" {
			values[i] = name + "={...}"
		} else if !ok && v != "" {
			values[i] = "{...}"
		}
	}
	return withoutUser(base) + "?" + strings.Join(values, "&")
}

func redactKey(key string) string {
	letters := []rune(key) // what is cut within one is no text, and cannot be told
	for n := 3; n > 0; n-- {
		if len(letters) >= n*3 {
			return fmt.Sprintf("{%s...%s}", string(letters[:n]), string(letters[len(letters)-n:]))
		}
	}
	return "{...}"
}

// withoutUser returns a URL without the password of its user.
func withoutUser(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	scheme, rest, ok := strings.Cut(s, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	at := strings.LastIndexByte(authority, '@')
	if !ok || at < 0 {
		return s
	}
	return scheme + "://{user}@" + rest[at+1:]
}
