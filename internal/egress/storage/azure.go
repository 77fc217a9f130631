package storage

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// azureVersion is that of the REST API.
const azureVersion = "2021-12-02"

// azure is a Store by blocks: Put Block, then Put Block List. The state names the
// blocks of this upload; which of them there are is asked of the store.
type azure struct {
	target *Target
	opts   Options
	client *http.Client
	base   *url.URL
	key    []byte
}

func (a *Azure) secret() ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(a.Key)
	if err != nil || len(key) == 0 {
		return nil, errors.New("want the account's key in base64")
	}
	return key, nil
}

// base is the address of the account.
func (a *Azure) base() (*url.URL, error) {
	return baseURL(a.Endpoint, "https://"+a.Account+".blob.core.windows.net")
}

func (a *Azure) location(name string) string {
	u, err := a.base()
	if err != nil {
		return ""
	}
	return u.String() + "/" + a.Container + "/" + escape(name)
}

func openAzure(t *Target, tr *http.Transport, o Options) (Store, error) {
	base, _ := t.Azure.base() // validated
	key, _ := t.Azure.secret()
	return &azure{
		target: t, opts: o, base: base, key: key,
		client: &http.Client{Transport: tr, CheckRedirect: noRedirects},
	}, nil
}

// azureState is the state of an upload.
type azureState struct {
	Nonce string `json:"nonce"` // begins the ids of its blocks
	Part  int64  `json:"part"`
	Size  int64  `json:"size"`
}

// block is the id of the n-th block. All ids of a blob are equally long.
func (s azureState) block(n int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%06d", s.Nonce, n))
}

// Upload implements Store.
func (a *azure) Upload(ctx context.Context, o Object) error {
	return a.target.scrub("azure", a.upload(ctx, o))
}

func (a *azure) upload(ctx context.Context, o Object) error {
	var state azureState
	have := make(map[string]int64)
	if json.Unmarshal([]byte(o.State), &state) == nil && state.Nonce != "" && state.Size == o.Size && state.Part > 0 {
		var err error
		if have, err = a.blocks(ctx, o); err != nil {
			return err
		}
	} else {
		state = azureState{Nonce: rand.Text()[:16], Part: a.opts.partSize(o.Size), Size: o.Size}
		raw, err := json.Marshal(state)
		if err != nil {
			return err
		}
		o.Save(string(raw))
	}
	type list struct {
		XMLName xml.Name `xml:"BlockList"`
		Latest  []string `xml:"Latest"`
	}
	var all list
	for n, at := 0, int64(0); at < o.Size; n, at = n+1, at+state.Part {
		size, id := min(state.Part, o.Size-at), state.block(n)
		if have[id] != size {
			b, err := o.read(at, size)
			if err != nil {
				return err
			}
			if err := a.do(ctx, "send", http.MethodPut, &o, url.Values{"comp": {"block"}, "blockid": {id}}, nil, b, nil); err != nil {
				return err
			}
		}
		all.Latest = append(all.Latest, id)
	}
	raw, err := xml.Marshal(all)
	if err != nil {
		return err
	}
	headers := map[string]string{"x-ms-blob-content-type": o.ContentType, "x-ms-blob-content-disposition": "inline"}
	return a.do(ctx, "put together", http.MethodPut, &o, url.Values{"comp": {"blocklist"}}, headers, append([]byte(xml.Header), raw...), nil)
}

// blocks are those that were sent and not put together yet, with their sizes.
func (a *azure) blocks(ctx context.Context, o Object) (map[string]int64, error) {
	var answer struct {
		Blocks []struct {
			Name string `xml:"Name"`
			Size int64  `xml:"Size"`
		} `xml:"UncommittedBlocks>Block"`
	}
	have := make(map[string]int64)
	err := a.do(ctx, "ask what there is", http.MethodGet, &o, url.Values{"comp": {"blocklist"}, "blocklisttype": {"uncommitted"}}, nil, nil, &answer)
	if errors.Is(err, ErrRefused) {
		return have, nil // there is nothing, or reading is not allowed: all is sent again
	}
	for _, b := range answer.Blocks {
		have[b.Name] = b.Size
	}
	return have, err
}

// do sends one request, and reads the answer's XML into into if that is not nil.
func (a *azure) do(ctx context.Context, what, method string, o *Object, query url.Values, headers map[string]string, body []byte, into any) error {
	u := *a.base
	u.Path += "/" + a.target.Azure.Container + "/" + o.Name
	u.RawPath = a.base.EscapedPath() + "/" + a.target.Azure.Container + "/" + escape(o.Name)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(o.piece(body)), nil }
		req.Body, _ = req.GetBody()
		sum := md5.Sum(body) // what the store checks the body against
		req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	req.Header.Set("x-ms-date", a.opts.Now().UTC().Format(http.TimeFormat))
	req.Header.Set("x-ms-version", azureVersion)
	for key, value := range headers {
		req.Header.Set(key, value)
	}
	a.sign(req, len(body))
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer drain(resp.Body)
	if resp.StatusCode/100 != 2 {
		return statusError(what, resp.StatusCode, resp.Header.Get("x-ms-error-code"))
	}
	if into == nil {
		return nil
	}
	if err := xml.NewDecoder(io.LimitReader(resp.Body, 32<<20)).Decode(into); err != nil {
		return fmt.Errorf("%s: the answer is no list", what)
	}
	return nil
}

// sign signs a request by the account's key, as "Authorize with Shared Key" of the
// REST API says.
func (a *azure) sign(req *http.Request, length int) {
	var ms []string
	for key := range req.Header {
		if low := strings.ToLower(key); strings.HasPrefix(low, "x-ms-") {
			ms = append(ms, low+":"+req.Header.Get(key)+"\n")
		}
	}
	slices.Sort(ms)
	resource := "/" + a.target.Azure.Account + req.URL.EscapedPath()
	query := req.URL.Query()
	var names []string
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := query[name]
		slices.Sort(values)
		resource += "\n" + strings.ToLower(name) + ":" + strings.Join(values, ",")
	}
	size := ""
	if length > 0 {
		size = strconv.Itoa(length)
	}
	text := strings.Join([]string{
		req.Method, "", "", size, req.Header.Get("Content-MD5"), req.Header.Get("Content-Type"), "", "", "", "", "", "",
	}, "\n") + "\n" + strings.Join(ms, "") + resource
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(text))
	req.Header.Set("Authorization", "SharedKey "+a.target.Azure.Account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
