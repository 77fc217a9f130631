package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// clientFlags say which server a verb talks to, and who it is.
type clientFlags struct {
	config.Flags
	url, key, secret string
	json             bool
}

func (f *clientFlags) register(fs *flag.FlagSet) {
	f.RegisterKeys(fs)
	fs.StringVar(&f.url, "url", "", "`URL` of the server (default ROLLCALL_URL, else where --config has it, else http://localhost:7880)")
	fs.StringVar(&f.key, "key", "", "API `key` (default the only one of --keys, --config or ROLLCALL_KEYS)")
	fs.StringVar(&f.secret, "secret", "", "its `secret`")
	fs.BoolVar(&f.json, "json", false, "print JSON")
}

// parse is parseArgs, and then client, for a verb that has nothing to look at in
// between.
func (f *clientFlags) parse(fs *flag.FlagSet, args []string, env environment, about string, names ...string) ([]string, *client, error) {
	values, err := parseArgs(fs, args, env, about, names...)
	if err != nil {
		return nil, nil, err
	}
	c, err := f.client(env)
	return values, c, err
}

// errNoKey says how verbs get their API key.
var errNoKey = errors.New("an API key is needed: by --key and --secret, from the server's file by --config, " +
	"from ROLLCALL_KEYS, or by --dev for a server in development mode")

// credentials returns the API key to use, with its secret.
func (f *clientFlags) credentials(environ []string) (key, secret string, err error) {
	key, secret, _, err = f.look(environ)
	return key, secret, err
}

// look returns the API key to use, with its secret, and where a server of the
// configuration that has it is found on its own machine.
func (f *clientFlags) look(environ []string) (key, secret, url string, err error) {
	if f.secret != "" {
		if f.key == "" {
			return "", "", "", usageError(errors.New("--secret wants --key"))
		}
		return f.key, f.secret, standardURL, nil
	}
	// The server's URL is this command's alone.
	environ = slices.DeleteFunc(slices.Clone(environ), func(e string) bool { return strings.HasPrefix(e, "ROLLCALL_URL=") })
	cfg, err := config.Load(&f.Flags, environ)
	if errors.Is(err, config.ErrNoKeys) {
		err = usageError(errNoKey)
	}
	if err != nil {
		return "", "", "", err
	}
	names := slices.Sorted(maps.Keys(cfg.Keys))
	switch {
	case f.key == "" && len(names) == 1:
		f.key = names[0]
	case f.key == "":
		return "", "", "", usageError(fmt.Errorf("there are %d API keys; --key wants one of %s", len(names), strings.Join(names, ", ")))
	case cfg.Keys[f.key] == "":
		return "", "", "", usageError(fmt.Errorf("--key %q is none of %s", f.key, strings.Join(names, ", ")))
	}
	return f.key, cfg.Keys[f.key], urlOf(cfg), nil
}

// standardURL is where a server is that was told nothing else, receiverURL where a
// receiver of webhooks may be.
const (
	standardURL = "http://localhost:7880"
	receiverURL = "http://localhost:3000/webhook"
)

// urlOf is where a server of this configuration is found on its own machine, by a
// name that its certificate has if authorities are asked for one.
func urlOf(cfg *config.Config) string {
	if cfg.Port <= 0 { // nobody knows before it has started
		return standardURL
	}
	scheme, host, usual := "http", "localhost", 80
	if cfg.TLS.Enabled() {
		scheme, usual = "https", 443
	}
	switch names := cfg.TLS.ACME.Domains; {
	case len(names) > 0:
		host = names[0]
	case !slices.ContainsFunc(cfg.BindAddresses, isLocal) && len(cfg.BindAddresses) > 0:
		host = cfg.BindAddresses[0]
	}
	if cfg.Port != usual {
		return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(cfg.Port))
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host
}

// isLocal says that localhost leads to the address.
func isLocal(address string) bool {
	ip := net.ParseIP(address)
	return ip == nil || ip.IsUnspecified() || ip.IsLoopback()
}

// client talks to a running server.
type client struct {
	base        string // URL without a slash at its end
	key, secret string
	http        *http.Client
}

// newClient returns the client that the flags and the environment say.
func (f *clientFlags) client(env environment) (*client, error) {
	key, secret, base, err := f.look(env.environ)
	if err != nil {
		return nil, err
	}
	for _, e := range env.environ {
		if v, ok := strings.CutPrefix(e, "ROLLCALL_URL="); ok && v != "" {
			base = v
		}
	}
	if f.url != "" {
		base = f.url
	}
	if rest, ok := strings.CutPrefix(base, "ws"); ok && (strings.HasPrefix(rest, "://") || strings.HasPrefix(rest, "s://")) {
		base = "http" + rest // as SDKs call the same server
	}
	if err := checkURL(base, standardURL); err != nil {
		return nil, usageError(fmt.Errorf("--url: %w", err))
	}
	return &client{base: strings.TrimRight(base, "/"), key: key, secret: secret,
		http: &http.Client{Transport: &patient{http.DefaultTransport, env.stderr}}}, nil
}

// patient says on w when an answer is slow to come.
type patient struct {
	http.RoundTripper
	w io.Writer
}

// patience is how long nothing is said.
const patience = time.Second

// RoundTrip implements http.RoundTripper.
func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	slow := time.AfterFunc(patience, func() {
		fmt.Fprintf(p.w, "rollcall: waiting for %s to answer; Ctrl-C ends this\n", req.URL.Host)
	})
	defer slow.Stop()
	return p.RoundTripper.RoundTrip(req)
}

// checkURL wants a URL of HTTP, such as the example.
func checkURL(raw, example string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no URL, want such as %s", raw, example)
	}
	return nil
}

// apiError is what the server says is wrong.
type apiError struct {
	status        int
	code, message string
	earliest      uint64 // of an expired cursor
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%s)", e.message, e.code) }

// do sends a request and returns the answer, which is a success.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body any, headers ...string) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		payload = bytes.NewReader(b)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return nil, err
	}
	grant := &token.RollcallGrant{Events: true, Endpoints: true, Forget: true}
	raw, err := token.Mint(c.key, c.secret, &token.Claims{Rollcall: grant}, time.Now(), 10*time.Minute)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	var e struct {
		Code, Message string
		Earliest      uint64
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(text, &e) != nil || e.Message == "" {
		return nil, fmt.Errorf("%s answers %s: is it a Rollcall server?", c.base, resp.Status)
	}
	return nil, &apiError{resp.StatusCode, e.Code, e.Message, e.Earliest}
}

// call is do with an answer in JSON, decoded into out, and returned as it came.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, out any) (json.RawMessage, error) {
	resp, err := c.do(ctx, method, path, query, body, "Accept", "application/json")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			return nil, fmt.Errorf("decode answer of %s: %w", c.base, err)
		}
	}
	return raw, nil
}
