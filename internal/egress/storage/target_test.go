package storage

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestLocationIsThatOfLiveKitsEgress(t *testing.T) {
	for _, tc := range []struct {
		target Target
		want   string
	}{
		{Target{S3: &S3{Bucket: "b"}}, "https://b.s3.amazonaws.com/a/my%20file.mp4"},
		{Target{S3: &S3{Bucket: "b", Endpoint: "s3.example.com"}}, "https://b.s3.example.com/a/my%20file.mp4"},
		{Target{S3: &S3{Bucket: "b", Endpoint: "https://minio.example.com/", ForcePathStyle: true}}, "https://minio.example.com/b/a/my%20file.mp4"},
		{Target{S3: &S3{Bucket: "b", Endpoint: "http://127.0.0.1:9000"}}, "http://127.0.0.1:9000/b/a/my%20file.mp4"},
		{Target{S3: &S3{Bucket: "b"}, Prefix: "/calls/"}, "https://b.s3.amazonaws.com/calls/a/my%20file.mp4"},
		{Target{GCS: &GCS{Bucket: "b"}}, "https://b.storage.googleapis.com/a/my%20file.mp4"},
		{Target{Azure: &Azure{Account: "acct", Container: "c"}}, "https://acct.blob.core.windows.net/c/a/my%20file.mp4"},
	} {
		if got := tc.target.Location("a/my file.mp4"); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.target, got, tc.want)
		}
	}
}

func TestWhatIsWrongWithATargetIsNamed(t *testing.T) {
	for _, tc := range []struct {
		target Target
		field  string
	}{
		{Target{}, "storage"},
		{Target{S3: &S3{AccessKey: "a", Secret: "s"}}, "s3.bucket"},
		{Target{S3: &S3{AccessKey: "a", Secret: "s", Bucket: "../x"}}, "s3.bucket"},
		{Target{S3: &S3{Bucket: "bucket"}}, "s3.access_key"},
		{Target{S3: &S3{AccessKey: "a", Secret: "s", Bucket: "bucket", Endpoint: "ftp://x"}}, "s3.endpoint"},
		{Target{S3: &S3{AccessKey: "a", Secret: "s", Bucket: "bucket", Endpoint: "https://u:p@x"}}, "s3.endpoint"},
		{Target{S3: &S3{AccessKey: "a", Secret: "s", Bucket: "bucket", Endpoint: "https://x/path"}}, "s3.endpoint"},
		{Target{S3: &S3{AccessKey: "a", Secret: "s", Bucket: "bucket", Tagging: "%zz"}}, "s3.tagging"},
		{Target{S3: &S3{AccessKey: "a", Secret: "s", Bucket: "bucket", Proxy: &Proxy{URL: "x"}}}, "s3.proxy.url"},
		{Target{GCS: &GCS{Bucket: "bucket", Credentials: "{}"}}, "gcp.credentials"},
		{Target{GCS: &GCS{Bucket: "", Credentials: "{}"}}, "gcp.bucket"},
		{Target{Azure: &Azure{Account: "acct", Container: "c0", Key: "?"}}, "azure.account_key"},
		{Target{Azure: &Azure{Account: "a/b", Container: "c0", Key: "a2V5"}}, "azure.account_name"},
		{Target{Azure: &Azure{Account: "acct", Container: "", Key: "a2V5"}}, "azure.container_name"},
	} {
		err := tc.target.Validate()
		if e, ok := errors.AsType[*TargetError](err); !ok || e.Field != tc.field {
			t.Errorf("%v: %v, want an error of %s", tc.target, err, tc.field)
		}
	}
}

func TestPrintedTargetShowsNoKeys(t *testing.T) {
	target := Target{S3: &S3{AccessKey: "AKIAKEY", Secret: "hush", Bucket: "bucket"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, target); strings.Contains(s, "hush") || strings.Contains(s, "AKIA") {
			t.Errorf("%s: %s", format, s)
		}
		if s := fmt.Sprintf(format, &target); strings.Contains(s, "hush") || strings.Contains(s, "AKIA") {
			t.Errorf("%s of a pointer: %s", format, s)
		}
	}
}

// serviceKey makes the JSON of a service account's key, whose tokens come from uri.
func serviceKey(t *testing.T, uri string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "recorder@example.com", "token_uri": uri,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestNoErrorHoldsASecret has each store meet a server that answers with all that
// it was sent, one that hangs up, and none.
func TestNoErrorHoldsASecret(t *testing.T) {
	const secret, access, session = "verySecretKey0123", "AKIAEXAMPLEACCESS", "sessionTokenABCDEF"
	azureKey := base64.StdEncoding.EncodeToString([]byte(secret))
	var mu sync.Mutex
	status := 403
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("x-ms-error-code", "Bad "+r.Header.Get("Authorization"))
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>AccessDenied</Code><Message>%s %s %s %s %s</Message></Error>", access, secret, azureKey, r.Header, body)
	}))
	defer server.Close()
	targets := func(at string) map[string]Target {
		return map[string]Target{
			"s3":    {S3: &S3{AccessKey: access, Secret: secret, SessionToken: session, Bucket: "bucket", Endpoint: at}},
			"gcp":   {GCS: &GCS{Bucket: "bucket", Endpoint: at, Credentials: serviceKey(t, at+"/token")}},
			"azure": {Azure: &Azure{Account: "acct", Container: "container", Key: azureKey, Endpoint: at}},
			"proxy": {S3: &S3{AccessKey: access, Secret: secret, Bucket: "bucket", Proxy: &Proxy{URL: at, Username: "u", Password: session}}},
		}
	}
	nowhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere.Close()
	for _, tc := range []struct {
		at      string
		status  int
		refused bool
	}{{server.URL, 403, true}, {server.URL, 503, false}, {server.URL, 302, false}, {server.URL, 0, false}, {"http://" + nowhere.Addr().String(), 0, false}} {
		mu.Lock()
		status = tc.status
		mu.Unlock()
		for name, target := range targets(tc.at) {
			store, err := Open(target, Options{Guarded: new(net.Dialer).DialContext})
			if err != nil {
				t.Fatal(err)
			}
			err = store.Upload(context.Background(), Object{Name: "a.mp4", Size: 3, Body: strings.NewReader("abc"), Save: func(string) {}})
			if err == nil {
				t.Fatalf("%s: status %d is taken for success", name, tc.status)
			}
			if name != "proxy" && errors.Is(err, ErrRefused) != tc.refused {
				t.Errorf("%s: status %d: refused is %v: %v", name, tc.status, !tc.refused, err)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				for _, s := range append(target.secrets(), "PRIVATE KEY", "assertion", "Signature", "SharedKey") {
					if s != "" && (strings.Contains(e.Error(), s) || strings.Contains(e.Error(), url.QueryEscape(s))) {
						t.Errorf("%s: status %d: the error holds a secret: %v", name, tc.status, e)
					}
				}
			}
		}
	}
}

func TestRequestedTargetIsDialledUnderTheGuard(t *testing.T) {
	blocked := errors.New("address is private")
	guard := func(context.Context, string, string) (net.Conn, error) { return nil, blocked }
	for name, target := range map[string]Target{
		"s3":    {S3: &S3{AccessKey: "a", Secret: "s", Bucket: "bucket", Endpoint: "http://127.0.0.1:1"}},
		"proxy": {S3: &S3{AccessKey: "a", Secret: "s", Bucket: "bucket", Region: "eu-west-1", Proxy: &Proxy{URL: "http://127.0.0.1:1"}}},
		"token": {GCS: &GCS{Bucket: "bucket", Credentials: serviceKey(t, "http://169.254.169.254/token")}},
		"azure": {Azure: &Azure{Account: "acct", Container: "container", Key: "a2V5", Endpoint: "http://127.0.0.1:1"}},
	} {
		store, err := Open(target, Options{Guarded: guard})
		if err != nil {
			t.Fatal(err)
		}
		err = store.Upload(context.Background(), Object{Name: "a.mp4", Size: 3, Body: strings.NewReader("abc"), Save: func(string) {}})
		if err == nil || !strings.Contains(err.Error(), blocked.Error()) {
			t.Errorf("%s: %v, want the guard's", name, err)
		}
		if len(target.Hosts()) == 0 && name != "azure" {
			t.Errorf("%s: no host to check beforehand", name)
		}
	}
}

// What is told of a try is text, wherever it was cut.
func TestProblemsAreTexts(t *testing.T) {
	target := Target{S3: &S3{Bucket: "b", Secret: "geheim"}}
	for _, said := range []string{strings.Repeat("a", 299) + "ж", "read /srv/\xff: no space"} {
		if got := target.scrub("s3: send", errors.New(said)).Error(); !utf8.ValidString(got) {
			t.Errorf("%q", got)
		}
	}
}
