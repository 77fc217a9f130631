package storage

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	gcsHost   = "https://storage.googleapis.com"
	gcsScope  = "https://www.googleapis.com/auth/devstorage.read_write"
	gcsTokens = "https://oauth2.googleapis.com/token"
	// gcsChunk is what the size of a chunk has to be a multiple of.
	gcsChunk = 256 << 10
)

// gcs is a Store by the JSON API's resumable uploads, whose session is the state.
// The session's address is all that is needed to write the object.
type gcs struct {
	target *Target
	opts   Options
	client *http.Client
	base   *url.URL
	who    *serviceAccount

	token   string
	expires time.Time
}

// serviceAccount is what we need of the JSON of a service account's key.
type serviceAccount struct {
	Type       string `json:"type"`
	Email      string `json:"client_email"`
	PrivateKey string `json:"private_key"`
	KeyID      string `json:"private_key_id"`
	TokenURI   string `json:"token_uri"`
	key        *rsa.PrivateKey
}

func parseAccount(credentials string) (*serviceAccount, error) {
	a := new(serviceAccount)
	if err := json.Unmarshal([]byte(credentials), a); err != nil {
		return nil, errors.New("want the JSON of a service account's key")
	}
	if a.Type != "service_account" || a.Email == "" {
		return nil, errors.New("want the key of a service_account, with its client_email")
	}
	var err error
	if a.key, err = jwt.ParseRSAPrivateKeyFromPEM([]byte(a.PrivateKey)); err != nil {
		return nil, errors.New("private_key is no RSA key in PEM")
	}
	if a.TokenURI == "" {
		a.TokenURI = gcsTokens
	}
	if _, err := baseURL(a.TokenURI, ""); err != nil {
		return nil, errors.New("token_uri: " + err.Error())
	}
	return a, nil
}

func (g *GCS) location(name string) string {
	if g.Endpoint != "" {
		if u, err := baseURL(g.Endpoint, ""); err == nil {
			return u.String() + "/" + g.Bucket + "/" + escape(name)
		}
	}
	return "https://" + g.Bucket + ".storage.googleapis.com/" + escape(name)
}

func openGCS(t *Target, tr *http.Transport, o Options) (Store, error) {
	base, _ := baseURL(t.GCS.Endpoint, gcsHost) // validated
	who, _ := parseAccount(t.GCS.Credentials)
	return &gcs{
		target: t, opts: o, base: base, who: who,
		client: &http.Client{Transport: tr, CheckRedirect: noRedirects},
	}, nil
}

// Upload implements Store.
func (g *gcs) Upload(ctx context.Context, o Object) error {
	return g.target.scrub("gcp", g.upload(ctx, o))
}

func (g *gcs) upload(ctx context.Context, o Object) error {
	session, at := o.State, int64(0)
	if session != "" {
		var whole bool
		var err error
		at, whole, err = g.progress(ctx, session, o.Size)
		switch {
		case whole:
			return nil
		case errors.Is(err, ErrRefused):
			session, at = "", 0 // a session lives for a week
		case err != nil:
			return err
		}
	}
	if session == "" {
		var err error
		if session, err = g.begin(ctx, o); err != nil {
			return err
		}
		o.Save(session)
	}
	chunk := (g.opts.partSize(o.Size) + gcsChunk - 1) / gcsChunk * gcsChunk
	for {
		size := min(chunk, o.Size-at)
		next, whole, err := g.send(ctx, session, o, at, size)
		if err != nil || whole {
			return err
		}
		if next <= at {
			return errors.New("it takes no more, and has not all")
		}
		at = next
	}
}

// begin opens a session.
func (g *gcs) begin(ctx context.Context, o Object) (string, error) {
	if err := g.authorize(ctx); err != nil {
		return "", err
	}
	u := *g.base
	u.Path += "/upload/storage/v1/b/" + g.target.GCS.Bucket + "/o"
	u.RawQuery = url.Values{"uploadType": {"resumable"}, "name": {o.Name}}.Encode()
	meta, err := json.Marshal(map[string]string{"contentType": o.ContentType, "contentDisposition": "inline"})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(string(meta)))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	req.Header.Set("X-Upload-Content-Type", o.ContentType)
	req.Header.Set("X-Upload-Content-Length", strconv.FormatInt(o.Size, 10))
	resp, err := g.client.Do(req)
	if err != nil {
		return "", err
	}
	defer drain(resp.Body)
	if resp.StatusCode == http.StatusUnauthorized {
		g.token = ""
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return "", statusError("begin", resp.StatusCode, "")
	}
	session, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || session.Host == "" {
		return "", errors.New("begin: the answer names no session")
	}
	return session.String(), nil
}

// progress asks a session how much it has.
func (g *gcs) progress(ctx context.Context, session string, size int64) (at int64, whole bool, err error) {
	return g.put(ctx, session, nil, 0, fmt.Sprintf("bytes */%d", size))
}

// send sends the piece of size bytes at at, and returns how much the session has.
func (g *gcs) send(ctx context.Context, session string, o Object, at, size int64) (int64, bool, error) {
	say := fmt.Sprintf("bytes %d-%d/%d", at, at+size-1, o.Size)
	if size == 0 {
		say = fmt.Sprintf("bytes */%d", o.Size)
	}
	return g.put(ctx, session, io.NewSectionReader(o.Body, at, size), size, say)
}

func (g *gcs) put(ctx context.Context, session string, body io.Reader, size int64, say string) (at int64, whole bool, err error) {
	if size == 0 {
		body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, session, body)
	if err != nil {
		return 0, false, errors.New("the session's address is none")
	}
	req.ContentLength = size
	req.Header.Set("Content-Range", say)
	resp, err := g.client.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer drain(resp.Body)
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated:
		var object struct {
			Size string `json:"size"`
		}
		_, total, _ := strings.Cut(say, "/")
		if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&object); err != nil || object.Size != total {
			return 0, false, fmt.Errorf("%w: send: the object is not as large as the file", ErrRefused)
		}
		return 0, true, nil
	case http.StatusPermanentRedirect: // "Resume Incomplete"
		// Range: bytes=0-N, or none if there is nothing.
		last, found := strings.CutPrefix(resp.Header.Get("Range"), "bytes=0-")
		if !found {
			return 0, false, nil
		}
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 {
			return 0, false, errors.New("send: the answer does not say how much there is")
		}
		return n + 1, false, nil
	}
	return 0, false, statusError("send", resp.StatusCode, "")
}

// authorize gets a token by the key of the service account (RFC 7523), if the last
// is about to expire.
func (g *gcs) authorize(ctx context.Context) error {
	now := g.opts.Now()
	if g.token != "" && now.Add(time.Minute).Before(g.expires) {
		return nil
	}
	assertion := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": g.who.Email, "scope": gcsScope, "aud": g.who.TokenURI, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if g.who.KeyID != "" {
		assertion.Header["kid"] = g.who.KeyID
	}
	signed, err := assertion.SignedString(g.who.key)
	if err != nil {
		return errors.New("sign with the service account's key")
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {signed}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.who.TokenURI, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return statusError("ask for a token", resp.StatusCode, "")
	}
	var answer struct {
		Token   string `json:"access_token"`
		Expires int64  `json:"expires_in"` // seconds
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer); err != nil || answer.Token == "" {
		return errors.New("ask for a token: the answer holds none")
	}
	g.token, g.expires = answer.Token, now.Add(time.Duration(answer.Expires)*time.Second)
	return nil
}
