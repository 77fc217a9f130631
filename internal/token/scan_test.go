package token

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
)

// usualClaims are what the SDKs write, in their order, and what this package does.
func usualClaims(t testing.TB) map[string]string {
	t.Helper()
	front := testKeys["front"]
	own := fullClaims()
	own.RoomConfig = nil
	own.Rollcall = &RollcallGrant{Events: true, Endpoints: true, Forget: true, Admin: true, Room: "den"}
	minted, err := Mint("front", front, own, testNow, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	full, err := auth.NewAccessToken("front", front).SetIdentity("ana").SetName("Ana Ñ").SetKind(own.Kind).
		SetKindDetail(own.KindDetails...).SetMetadata(`{"seat":"1 & \\ 2","note":"<b>\n</b>"}` + "\r\n\t").
		SetAttributes(map[string]string{"role": "host", "team": "blå", "": ""}).
		SetVideoGrant(&auth.VideoGrant{
			RoomCreate: true, RoomList: true, RoomRecord: true, IngressAdmin: true,
			RoomAdmin: true, RoomJoin: true, Room: "den", DestinationRoom: "attic",
			CanPublish: new(true), CanSubscribe: new(false), CanPublishData: new(false),
			CanPublishSources:    []string{"camera", "microphone", "screen_share", "screen_share_audio", "unknown"},
			CanUpdateOwnMetadata: new(true), CanSubscribeMetrics: new(true), CanManageAgentSession: new(false),
			Hidden: true, Recorder: true, Agent: true,
		}).
		SetSIPGrant(&auth.SIPGrant{Admin: true, Call: true}).
		SetRoomPreset("classroom").SetSha256("q80=").SetValidFor(time.Hour).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	join, err := auth.NewAccessToken("front", front).SetIdentity("ana").SetName("Ana").SetMetadata("seat 1").
		SetAttributes(map[string]string{"role": "host"}).
		SetVideoGrant(&auth.VideoGrant{RoomJoin: true, Room: "den"}).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	grant := &auth.VideoGrant{RoomAdmin: true, Room: "den"}
	grant.SetCanPublishSources([]livekit.TrackSource{livekit.TrackSource_CAMERA})
	admin, err := auth.NewAccessToken("front", front).SetVideoGrant(grant).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"of this package":                 payloadOf(t, minted),
		"of the module for Go":            payloadOf(t, full),
		"of the module for Go, to join":   payloadOf(t, join),
		"of the module for Go, to manage": payloadOf(t, admin),
		"as livekit-server-sdk of Node writes it": `{"metadata":"seat 1","attributes":{"role":"host","team":"blau"},"name":"Ana Ñ",` +
			`"video":{"roomJoin":true,"room":"den","canPublish":true,"canSubscribe":true,"canPublishData":false,` +
			`"canUpdateOwnMetadata":true,"canPublishSources":["camera","microphone"],"hidden":false},` +
			`"iss":"front","exp":1795897624,"nbf":1795894024,"sub":"ana"}`,
		"as others write metadata that is JSON": `{"metadata":"{\"seat\":1,\"page\":\"https:\/\/app.example\/\\u00e9\",\n\t\"ñ\":\"\\\\\"}","sub":"ana"}`,
		"as an older one writes it":             `{"video":{"room":"den","roomJoin":true},"iss":"front","exp":1795897624,"nbf":0,"sub":"ana"}`,
		"as livekit-api of Python writes it": `{"name":"Ana","kind":"standard","metadata":"seat 1",` +
			`"video":{"roomJoin":true,"room":"den","canPublish":true,"canSubscribe":true,"canPublishData":true,` +
			`"canPublishSources":["camera","microphone"],"canUpdateOwnMetadata":true},` +
			`"attributes":{"role":"host","team":"blau"},"sub":"ana","iss":"front","nbf":1795894074,"exp":1795915674}`,
		"with all that is empty": `{"iss":"front","sub":"","jti":"","exp":1795915674,"name":"","kind":"","kindDetails":[],` +
			`"video":{"room":"","destinationRoom":"","roomJoin":false,"canPublishSources":[]},"sip":{"admin":false,"call":false},` +
			`"rollcall":{},"roomPreset":"","sha256":"","metadata":"","attributes":{}}`,
	}
}

func payloadOf(t testing.TB, raw string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// scans says whether text is scanned, and fails if that gives anything but what
// encoding/json makes of it.
func scans(t testing.TB, text string) bool {
	t.Helper()
	got := scanClaims(text)
	if got == nil {
		return false
	}
	want := new(wireClaims)
	if err := json.Unmarshal([]byte(text), want); err != nil {
		t.Fatalf("%q is scanned, and encoding/json says: %v", text, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q is scanned as\n%+v %+v\nand encoding/json has\n%+v %+v", text, got, got.Video, want, want.Video)
	}
	return true
}

func TestClaimsAsTheSDKsWriteThemAreScanned(t *testing.T) {
	for name, text := range usualClaims(t) {
		if !scans(t, text) {
			t.Errorf("%s: scanning gives up at %s", name, text)
		}
	}
}

// With encoding/json it would be 33.
func TestTokenToJoinIsVerifiedWithFewAllocations(t *testing.T) {
	raw := sign(t, hs256, usualClaims(t)["of the module for Go, to join"], testKeys["front"])
	now := time.Now()
	if got := testing.AllocsPerRun(100, func() {
		if _, err := Verify(raw, testKeys, now); err != nil {
			t.Error(err)
		}
	}); got > 20 {
		t.Errorf("%v allocations, want at most 20", got)
	}
}

func TestWhatIsUnusualIsNotScanned(t *testing.T) {
	const padding = maxScanned - len(`{"name":""}`)
	if text := `{"name":"` + strings.Repeat("a", padding) + `"}`; !scans(t, text) {
		t.Errorf("gives up at %d bytes", len(text))
	}
	for name, text := range map[string]string{
		"too long":                      `{"name":"` + strings.Repeat("a", padding+1) + `"}`,
		"nothing":                       ``,
		"null":                          `null`,
		"a list":                        `[]`,
		"something after it":            `{"sub":"ana"}{}`,
		"a comma too many":              `{"sub":"ana",}`,
		"a comma too few":               `{"sub":"ana""name":"Ana"}`,
		"a comma first":                 `{,"sub":"ana"}`,
		"no end":                        `{"sub":"ana"`,
		"no value":                      `{"sub"}`,
		"space":                         `{"sub": "ana"}`,
		"space before it":               ` {"sub":"ana"}`,
		"space after it":                "{\"sub\":\"ana\"}\n",
		"an escape beyond ASCII":        `{"sub":"a\u00f1a"}`,
		"escapes of bytes of UTF-8":     `{"sub":"\u00c3\u00b1"}`,
		"a long escape":                 `{"sub":"a\u1e00a"}`,
		"half a surrogate pair":         `{"sub":"\ud83d"}`,
		"an escape that is cut":         `{"sub":"a\u002`,
		"an escape without digits":      `{"sub":"a\u00+1"}`,
		"an unknown escape":             `{"sub":"\a"}`,
		"an escape that never ends":     `{"sub":"a\`,
		"a text that ends escaped":      `{"sub":"a\"`,
		"a name twice, once escaped":    `{"sub":"ana","s\u0075b":"eve"}`,
		"a control after an escape":     "{\"sub\":\"a\\na\tb\"}",
		"invalid UTF-8 after an escape": "{\"sub\":\"a\\n\xff\"}",
		"an escape in a character":      "{\"sub\":\"\xc3\\n\xb1\"}",
		"a control character":           "{\"sub\":\"a\tna\"}",
		"invalid UTF-8":                 "{\"sub\":\"an\xff\"}",
		"invalid UTF-8 in a name":       "{\"attributes\":{\"a\xff\":\"\"}}",
		"a name twice":                  `{"sub":"ana","sub":"eve"}`,
		"a name twice, once capital":    `{"sub":"ana","Sub":"eve"}`,
		"a capital name":                `{"SUB":"ana"}`,
		"a name that is folded":         "{\"\u017fub\":\"ana\"}",
		"another that is":               "{\"\u212aind\":\"sip\"}",
		"grants twice":                  `{"video":{"room":"den"},"video":{"roomJoin":true}}`,
		"a grant twice":                 `{"video":{"room":"den","room":"attic"}}`,
		"an attribute twice":            `{"attributes":{"a":"b","a":"c"}}`,
		"null for a text":               `{"sub":null}`,
		"null for a time":               `{"exp":null}`,
		"null for grants":               `{"video":null}`,
		"null for a permission":         `{"video":{"canPublish":null}}`,
		"null for a list":               `{"kindDetails":null}`,
		"null in a list":                `{"kindDetails":[null]}`,
		"null for attributes":           `{"attributes":null}`,
		"null for an attribute":         `{"attributes":{"a":null}}`,
		"a fraction":                    `{"exp":1777640400.5}`,
		"an exponent":                   `{"exp":1e9}`,
		"a negative time":               `{"nbf":-1}`,
		"no number":                     `{"exp":}`,
		"a text for a time":             `{"exp":"1777640400"}`,
		"a zero first":                  `{"exp":01777640400}`,
		"a far time":                    `{"exp":100000000000}`,
		"a number of many digits":       `{"exp":99999999999999999999}`,
		"a number for a permission":     `{"video":{"roomJoin":1}}`,
		"a text for a permission":       `{"video":{"roomJoin":"true"}}`,
		"a permission that goes on":     `{"video":{"roomJoin":truely}}`,
		"a number for a text":           `{"sub":1}`,
		"a room configuration":          `{"roomConfig":{}}`,
		"an unknown claim":              `{"aud":"demo"}`,
		"an unknown grant":              `{"video":{"future":true}}`,
		"an unknown SIP grant":          `{"sip":{"future":true}}`,
		"an unknown grant of Rollcall":  `{"rollcall":{"future":true}}`,
		"grants within grants":          `{"video":{"video":{}}}`,
		"attributes within attributes":  `{"attributes":{"a":{}}}`,
		"a list for grants":             `{"video":[]}`,
		"a list that never ends":        `{"kindDetails":["a"`,
		"a list with a comma too many":  `{"kindDetails":["a",]}`,
		"grants for a list":             `{"kindDetails":{}}`,
		"all grants, and an unknown":    strings.Replace(allGrants, "}}", `,"future":true}}`, 1),
		"all grants, and one again":     strings.Replace(allGrants, "}}", `,"agent":true}}`, 1),
		"attributes that never go on":   `{"attributes":{`,
		"a text that never ends":        `{"sub":"ana`,
		"a name that never ends":        `{"sub`,
		"a time that never ends":        `{"exp":1777640400`,
		"a permission that never comes": `{"video":{"roomJoin":`,
	} {
		if scans(t, text) {
			t.Errorf("%s is scanned", name)
		}
	}
	if !scans(t, allGrants) {
		t.Errorf("gives up at %s", allGrants)
	}
}

// allGrants has all 18.
const allGrants = `{"video":{"roomCreate":true,"roomList":true,"roomRecord":true,"ingressAdmin":true,"roomAdmin":true,` +
	`"roomJoin":true,"room":"den","destinationRoom":"attic","canPublish":false,"canSubscribe":true,"canPublishData":true,` +
	`"canPublishSources":["camera"],"canUpdateOwnMetadata":true,"canSubscribeMetrics":true,"canManageAgentSession":true,` +
	`"hidden":true,"recorder":true,"agent":true}}`

// pieces are what claims are changed by.
var pieces = []string{
	"", " ", "\t", "\n", `"`, `\`, "{", "}", "[", "]", ",", ":", "0", "9", "-", ".", "e", "A", "\x00", "\x1f", "\x7f", "\x80",
	"\xff", "\xc3", "ſ", "\u212a", "\u2028", "\ufffd", "null", "true", "false", `\"`, `\\`, `\/`, `\n`, `\b`, `\u0041`, `\u0026`, `\u00f1`, `\ud83d`,
	"{}", "[]", `""`, `"a"`, `"a":`,
	`"sub":"eve",`, `"SUB":"eve",`, `"exp":1,`, `"iss":null,`, `"video":{"room":"x"},`, `"room":"x",`, `"roomjoin":false,`,
	`"canPublish":true,`, `"attributes":{"a":"b"},`, `,"sub":"eve"`, `,"hidden":true`, `,"a":"b"`, `,"x":1`, `,"roomConfig":{}`,
}

// Wherever claims are cut, and whatever is put between them or for one of their bytes.
func TestChangedClaimsAreScannedAsJSONOrNotAtAll(t *testing.T) {
	changed, scanned := 0, 0
	try := func(text string) {
		changed++
		if scans(t, text) {
			scanned++
		}
	}
	for _, text := range usualClaims(t) {
		for i := range len(text) {
			try(text[:i])
			try(text[:i] + string(text[i]^' ') + text[i+1:]) // another case
			for _, piece := range pieces {
				try(text[:i] + piece + text[i:])
				try(text[:i] + piece + text[i+1:])
			}
		}
	}
	if scanned == 0 || scanned == changed {
		t.Errorf("of %d changes %d are scanned; some are within texts, and some are not", changed, scanned)
	}
}

// FuzzScan: what is scanned is what encoding/json makes of it, also of claims into which
// something was put.
func FuzzScan(f *testing.F) {
	for _, text := range usualClaims(f) {
		f.Add(text, uint16(0), uint8(0), "")
		for i, piece := range pieces {
			f.Add(text, uint16(strings.IndexByte(text, ',')+1), uint8(i%3), piece)
			f.Add(text, uint16(strings.Index(text, `"video":{`)+len(`"video":{`)), uint8(i%3), piece)
		}
	}
	f.Fuzz(func(t *testing.T, text string, at uint16, cut uint8, put string) {
		scans(t, text)
		start := min(int(at), len(text))
		scans(t, text[:start]+put+text[min(start+int(cut), len(text)):])
	})
}
